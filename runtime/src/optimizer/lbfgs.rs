//! Limited-memory BFGS: the direction of a step from the last gradients and moves (Nocedal 1980, the two-loop recursion).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::gradients::Vectors;
use crate::Buffer;

/// The last gradient and move, then for each update that is remembered, the latest first, how the gradient changed and the move
/// that did it. An update that is zero is none.
pub(super) fn names(history: usize) -> Vec<String> {
    let pairs = (0..history).flat_map(|i| [format!("change{i}"), format!("move{i}")]);
    ["gradient", "move"].iter().map(ToString::to_string).chain(pairs).collect()
}

/// One iteration of `torch.optim.LBFGS` without line search.
pub(super) fn step(
    vectors: &mut Vectors<'_>,
    rate: f64,
    step: u64,
    state: &mut [Buffer],
    weights: &mut [f32],
    gradient: &[f32],
) {
    let aim = aim(vectors, rate, step, state, gradient);
    move_by(vectors, aim.map_or(0.0, |aim| aim.length), state, weights);
}

/// Where a step goes: its direction is in the place of the move.
pub(super) struct Aim {
    /// How far, in lengths of the direction, if nobody searches.
    pub(super) length: f64,
    /// How the loss changes per length.
    pub(super) slope: f64,
}

/// The direction of a step from the gradient where it begins; `None` where nothing is to be gained.
pub(super) fn aim(
    vectors: &mut Vectors<'_>,
    rate: f64,
    step: u64,
    state: &mut [Buffer],
    gradient: &[f32],
) -> Option<Aim> {
    let (last, pairs) = state.split_at_mut(2);
    let [last_gradient, last_move] = last else { return None };
    if step > 1 {
        remember(vectors, last_gradient, last_move, pairs, gradient);
    }
    last_gradient.copy_from_slice(gradient);
    let direction = last_move;
    for (d, g) in direction.iter_mut().zip(gradient) {
        *d = -g;
    }
    bend(vectors, pairs, direction);
    let slope = vectors.dot(gradient, direction);
    let length = if step == 1 { rate * (1.0 / vectors.magnitude(gradient)).min(1.0) } else { rate };
    // PyTorch's tolerances: at rest, or not downhill, nothing moves.
    let moves = gradient.iter().any(|g| g.abs() > 1e-7) && slope <= -1e-9;
    moves.then_some(Aim { length, slope })
}

/// The direction that [`aim`] has left.
pub(super) fn direction(state: &[Buffer]) -> &[f32] {
    &state[1]
}

/// Goes so many lengths of the direction, which becomes the move.
pub(super) fn move_by(vectors: &mut Vectors<'_>, length: f64, state: &mut [Buffer], weights: &mut [f32]) {
    vectors.scale(length, &mut state[1]);
    vectors.add(1.0, &state[1], weights);
}

/// Takes the last move into the history, if the gradient grew along it; then the oldest one is forgotten.
fn remember(vectors: &mut Vectors<'_>, last: &mut [f32], moved: &[f32], pairs: &mut [Buffer], gradient: &[f32]) {
    // The change is made in the place of the last gradient, which is not needed again.
    for (last, g) in last.iter_mut().zip(gradient) {
        *last = g - *last;
    }
    if vectors.dot(last, moved) > 1e-10 {
        pairs.rotate_right(2);
        pairs[0].copy_from_slice(last);
        pairs[1].copy_from_slice(moved);
    }
}

/// Multiplies with the estimate of the inverse Hessian matrix.
fn bend(vectors: &mut Vectors<'_>, pairs: &[Buffer], direction: &mut [f32]) {
    let mut known = Vec::new();
    for pair in pairs.chunks_exact(2) {
        let [change, moved] = [&*pair[0], &*pair[1]];
        let along = vectors.dot(change, moved);
        if along > 0.0 {
            known.push((change, moved, along));
        }
    }
    let mut shares = Vec::new();
    for &(change, moved, along) in &known {
        let share = vectors.dot(moved, direction) / along;
        vectors.add(-share, change, direction);
        shares.push(share);
    }
    if let Some(&(change, _, along)) = known.first() {
        let square = vectors.dot(change, change);
        vectors.scale(along / square, direction);
    }
    for (&(change, moved, along), share) in known.iter().zip(shares).rev() {
        let back = vectors.dot(change, direction) / along;
        vectors.add(share - back, moved, direction);
    }
}
