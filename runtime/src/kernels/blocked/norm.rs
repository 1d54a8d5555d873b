//! Batch normalisation of blocked tensors by the statistics of the batch, and sums over channels.
//!
//! All of it is bound by memory, so each kernel does in one pass what can be done in one: normalisation adds a shortcut and
//! applies the activation behind; gradients come through that activation, whose value they find again from the input.

use super::tile::slope;
use super::{BLOCK, Finish, Slope, extent, per_vector};
use crate::kernels::NormalizeGrad;
use crate::kernels::math::sqrt;
use crate::simd::Vector;
use crate::{Batch, Isa};

/// Pixels whose sums stay in `f32` before they go to `f64`.
const CHUNK: usize = 256;

/// Pixels that are added up apart, so that additions need not wait for each other.
const APART: usize = 4;

/// A number for each channel of a block.
type Channels = [f32; BLOCK];

/// An activation behind a normalisation, through which its gradient arrives.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    /// Factor of the normalisation.
    pub weight: &'a [f32],
    /// Its offset.
    pub bias: &'a [f32],
    /// The activation.
    pub slope: Slope,
}

/// A normalisation of one block: (x − mean) · scale + bias.
#[derive(Clone, Copy, Debug)]
struct Norm {
    mean: Channels,
    scale: Channels,
    bias: Channels,
}

/// [`Gate`] of one block.
type BlockGate = Option<(Norm, Slope)>;

/// What the gradient of one block is made of: factor · (dy − mean_dy − (x − mean) · slope).
#[derive(Clone, Copy, Debug)]
struct Backward {
    mean: Channels,
    factor: Channels,
    mean_dy: Channels,
    slope: Channels,
}

/// `values[(first + c) · step + offset]` of each channel; 0 where there is none.
fn padded(values: &[f32], first: usize, step: usize, offset: usize) -> Channels {
    core::array::from_fn(|c| values.get((first + c) * step + offset).copied().unwrap_or(0.0))
}

/// 1 / √(var + eps) of the channels of a block.
fn deviations(stats: &[f32], block: usize, eps: f32) -> Channels {
    padded(stats, block * BLOCK, 2, 1).map(|var| 1.0 / sqrt(var + eps))
}

fn times(a: Channels, b: Channels) -> Channels {
    core::array::from_fn(|c| a[c] * b[c])
}

impl Norm {
    fn of(stats: &[f32], weight: &[f32], bias: &[f32], eps: f32, block: usize) -> Self {
        let first = block * BLOCK;
        Self {
            mean: padded(stats, first, 2, 0),
            scale: times(padded(weight, first, 1, 0), deviations(stats, block, eps)),
            bias: padded(bias, first, 1, 0),
        }
    }

    fn gate(gate: Option<&Gate<'_>>, stats: &[f32], eps: f32, block: usize) -> BlockGate {
        gate.map(|g| (Self::of(stats, g.weight, g.bias, eps, block), g.slope))
    }
}

impl Isa {
    /// Of each channel of one image its mean and Σ(x − mean)²: as many pairs as `y` holds.
    pub fn blocked_moments(self, places: usize, x: &[f32], y: &mut [f32]) {
        for (x, y) in x.chunks_exact(places * BLOCK).zip(y.chunks_mut(2 * BLOCK)) {
            // About a first pixel, so that large means do not eat the digits of small deviations.
            let shift: Channels = core::array::from_fn(|c| x[c]);
            let mut total = [[0.0; BLOCK]; 2];
            self.block_sums(x, &shift, x, &shift, &None, &mut total);
            for (c, y) in y.chunks_exact_mut(2).enumerate() {
                let mean = total[0][c] / places as f64;
                y[0] = (f64::from(shift[c]) + mean) as f32;
                y[1] = (total[1][c] - mean * total[0][c]).max(0.0) as f32;
            }
        }
    }

    /// (x − mean) / √(var + eps) · weight of one image, by a table of mean and variance, then bias, shortcut and activation.
    #[allow(clippy::too_many_arguments, reason = "one for each operand")]
    pub fn blocked_normalize(
        self,
        stats: &[f32],
        weight: &[f32],
        eps: f32,
        places: usize,
        x: &[f32],
        finish: &Finish<'_>,
        y: &mut [f32],
    ) {
        let len = places * BLOCK;
        for (block, (x, y)) in x.chunks_exact(len).zip(y.chunks_exact_mut(len)).enumerate() {
            let norm = Norm::of(stats, weight, finish.bias.unwrap_or_default(), eps, block);
            self.normalize_block(&norm, x, finish.add.map(|add| &add[block * len..]), finish.slope, y);
        }
    }

    /// Σdy and Σdy·x̂ of each channel of one image: as many pairs as `y` holds. Where there is a gate, dy is the gradient
    /// behind its activation.
    #[allow(clippy::too_many_arguments, reason = "one for each operand")]
    pub fn blocked_normalize_sums(
        self,
        stats: &[f32],
        gate: Option<&Gate<'_>>,
        eps: f32,
        places: usize,
        x: &[f32],
        dy: &[f32],
        y: &mut [f32],
    ) {
        let len = places * BLOCK;
        let blocks = x.chunks_exact(len).zip(dy.chunks_exact(len));
        for (block, ((x, dy), y)) in blocks.zip(y.chunks_mut(2 * BLOCK)).enumerate() {
            let gate = Norm::gate(gate, stats, eps, block);
            let (mean, deviation) = (padded(stats, block * BLOCK, 2, 0), deviations(stats, block, eps));
            let mut total = [[0.0; BLOCK]; 2];
            self.block_sums(dy, &[0.0; BLOCK], x, &mean, &gate, &mut total);
            for (c, y) in y.chunks_exact_mut(2).enumerate() {
                (y[0], y[1]) = (total[0][c] as f32, (total[1][c] * f64::from(deviation[c])) as f32);
            }
        }
    }

    /// The gradient of [`blocked_normalize`](Self::blocked_normalize) by its input, of one image. Where there is a gate, dy
    /// is the gradient behind its activation.
    #[allow(clippy::too_many_arguments, reason = "one for each operand")]
    pub fn blocked_normalize_grad(
        self,
        norm: &NormalizeGrad<'_>,
        gate: Option<&Gate<'_>>,
        places: usize,
        x: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) {
        let len = places * BLOCK;
        let images = x.chunks_exact(len).zip(dy.chunks_exact(len));
        for (block, ((x, dy), dx)) in images.zip(dx.chunks_exact_mut(len)).enumerate() {
            let first = block * BLOCK;
            let deviation = deviations(norm.stats, block, norm.eps);
            let backward = Backward {
                mean: padded(norm.stats, first, 2, 0),
                factor: times(padded(norm.weight, first, 1, 0), deviation),
                mean_dy: padded(norm.sums, first, 4, 2),
                slope: times(deviation, padded(norm.sums, first, 4, 3)),
            };
            let gate = Norm::gate(gate, norm.stats, norm.eps, block);
            self.normalize_grad_block(&backward, &gate, x, dy, dx);
        }
    }

    /// The sums of the channels of one block over images and space: as many as `y` holds.
    pub fn blocked_channel_sum(self, dy: Batch<'_>, block: usize, places: usize, y: &mut [f32]) {
        let mut total = [[0.0; BLOCK]; 2];
        let range = block * places * BLOCK..(block + 1) * places * BLOCK;
        for dy in dy.images().map(|image| &image[range.clone()]) {
            self.block_sums(dy, &[0.0; BLOCK], dy, &[0.0; BLOCK], &None, &mut total);
        }
        y.iter_mut().zip(&total[0]).for_each(|(y, sum)| *y = *sum as f32);
    }
}

per_vector! {
    /// Adds Σ(u − a) and Σ(u − a)·(v − b) over the pixels of one block of channels to `total`. Where there is a gate, u is
    /// a gradient behind it, and v what it normalised.
    fn block_sums(u: &[f32], a: &Channels, v: &[f32], b: &Channels, gate: &BlockGate, total: &mut [[f64; BLOCK]; 2]) = block_sums,
        where assert!(u.len() == v.len() && u.len().is_multiple_of(BLOCK), "blocks of equal size");

    /// One block of [`blocked_normalize`](Self::blocked_normalize).
    fn normalize_block(norm: &Norm, x: &[f32], add: Option<&[f32]>, activation: Slope, y: &mut [f32]) = normalize, where {
        assert!(x.len() == y.len() && x.len().is_multiple_of(BLOCK), "blocks of equal size");
        assert!(add.is_none_or(|a| a.len() >= y.len()), "shortcut");
    };

    /// One block of [`blocked_normalize_grad`](Self::blocked_normalize_grad).
    fn normalize_grad_block(backward: &Backward, gate: &BlockGate, x: &[f32], dy: &[f32], dx: &mut [f32]) = normalize_grad, where {
        let len = extent([[dx.len() / BLOCK, BLOCK]]);
        assert!(x.len() == len && dy.len() == len && dx.len() == len, "blocks of equal size");
    };
}

/// The numbers of a block in registers, from lane `lane` on.
///
/// # Safety
/// The vector's instructions are there, and `lane + V::LANES` is at most [`BLOCK`].
#[inline(always)]
unsafe fn lanes<V: Vector>(channels: &Channels, lane: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { V::load(channels.as_ptr().add(lane)) }
}

/// A normalisation's constants in a register each.
#[derive(Clone, Copy)]
struct Lanes<V> {
    mean: V,
    scale: V,
    bias: V,
}

impl<V: Vector> Lanes<V> {
    /// # Safety
    /// As for [`lanes`].
    #[inline(always)]
    unsafe fn of(norm: &Norm, lane: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Self { mean: lanes(&norm.mean, lane), scale: lanes(&norm.scale, lane), bias: lanes(&norm.bias, lane) }
        }
    }

    /// Those of a whole block.
    ///
    /// # Safety
    /// The vector's instructions are there, and `G` registers hold a block.
    #[inline(always)]
    unsafe fn all<const G: usize>(norm: &Norm) -> [Self; G] {
        // SAFETY: the caller's promise.
        unsafe {
            let mut all = [Self::of(norm, 0); G];
            for (g, of) in all.iter_mut().enumerate() {
                *of = Self::of(norm, g * V::LANES);
            }
            all
        }
    }

    /// # Safety
    /// The vector's instructions are there.
    #[inline(always)]
    unsafe fn value(&self, x: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { self.bias.fma(x.sub(self.mean), self.scale) }
    }

    /// The gradient before the activation behind, from the one after it.
    ///
    /// # Safety
    /// The vector's instructions are there.
    #[inline(always)]
    unsafe fn gate(&self, slope: Slope, x: V, dy: V) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            match slope {
                Slope::One => dy,
                Slope::Relu => dy.where_greater(self.value(x), V::zero()),
                Slope::Leaky(slope) => {
                    let positive = dy.where_greater(self.value(x), V::zero());
                    positive.fma(dy.sub(positive), V::splat(slope))
                }
            }
        }
    }
}

/// One pixel more in the two sums.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
unsafe fn add<V: Vector>(sums: [V; 2], mut u: V, a: V, v: V, b: V, gate: Option<(Lanes<V>, Slope)>) -> [V; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        if let Some((norm, slope)) = gate {
            u = norm.gate(slope, v, u);
        }
        let u = u.sub(a);
        [sums[0].add(u), sums[1].fma(u, v.sub(b))]
    }
}

/// # Safety
/// The vector's instructions are there, and the slices hold whole blocks, as many of them.
#[inline(always)]
unsafe fn block_sums<V: Vector, const G: usize>(
    u: &[f32],
    a: &Channels,
    v: &[f32],
    b: &Channels,
    gate: &BlockGate,
    total: &mut [[f64; BLOCK]; 2],
) {
    for (u, v) in u.chunks(CHUNK * BLOCK).zip(v.chunks(CHUNK * BLOCK)) {
        let pixels = u.len() / BLOCK;
        for g in 0..G {
            let lane = g * V::LANES;
            let mut sums = [[0.0; BLOCK]; 2];
            // SAFETY: each pixel below lies in both chunks, and the lanes in a block.
            unsafe {
                let (a, b) = (lanes::<V>(a, lane), lanes::<V>(b, lane));
                let gate = gate.map(|(norm, slope)| (Lanes::<V>::of(&norm, lane), slope));
                let mut partial = [[V::zero(); 2]; APART];
                let (u, v) = (u.as_ptr().wrapping_add(lane), v.as_ptr().wrapping_add(lane));
                let mut pixel = 0;
                while pixel + APART <= pixels {
                    for (apart, partial) in partial.iter_mut().enumerate() {
                        let at = (pixel + apart) * BLOCK;
                        *partial = add(*partial, V::load(u.add(at)), a, V::load(v.add(at)), b, gate);
                    }
                    pixel += APART;
                }
                while pixel < pixels {
                    let at = pixel * BLOCK;
                    partial[0] = add(partial[0], V::load(u.add(at)), a, V::load(v.add(at)), b, gate);
                    pixel += 1;
                }
                for partial in partial {
                    for (partial, sums) in partial.into_iter().zip(&mut sums) {
                        let sum = V::load(sums.as_ptr().add(lane)).add(partial);
                        sum.store(sums.as_mut_ptr().add(lane));
                    }
                }
            }
            for (total, sums) in total.iter_mut().zip(&sums) {
                for (total, sum) in total[lane..lane + V::LANES].iter_mut().zip(&sums[lane..]) {
                    *total += f64::from(*sum);
                }
            }
        }
    }
}

/// # Safety
/// The vector's instructions are there, the slices hold whole blocks, as many of them.
#[inline(always)]
unsafe fn normalize<V: Vector, const G: usize>(
    norm: &Norm,
    x: &[f32],
    add: Option<&[f32]>,
    activation: Slope,
    y: &mut [f32],
) {
    let (from, to) = (x.as_ptr(), y.as_mut_ptr());
    // SAFETY: the lanes lie in a block, each pixel in all of the slices.
    unsafe {
        let norm = Lanes::<V>::all::<G>(norm);
        for pixel in (0..y.len()).step_by(BLOCK) {
            for (g, norm) in norm.iter().enumerate() {
                let at = pixel + g * V::LANES;
                let mut value = norm.value(V::load(from.add(at)));
                if let Some(add) = add {
                    value = value.add(V::load(add.as_ptr().add(at)));
                }
                slope(value, activation).store(to.add(at));
            }
        }
    }
}

/// # Safety
/// The vector's instructions are there, the slices hold whole blocks, as many of them.
#[inline(always)]
unsafe fn normalize_grad<V: Vector, const G: usize>(
    backward: &Backward,
    gate: &BlockGate,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let (x, dy, to) = (x.as_ptr(), dy.as_ptr(), dx.as_mut_ptr());
    // SAFETY: the lanes lie in a block, each pixel in all of the slices.
    unsafe {
        for pixel in (0..dx.len()).step_by(BLOCK) {
            for g in 0..G {
                let lane = g * V::LANES;
                let (x, mut dy) = (V::load(x.add(pixel + lane)), V::load(dy.add(pixel + lane)));
                if let Some((norm, slope)) = gate {
                    dy = Lanes::of(norm, lane).gate(*slope, x, dy);
                }
                let along = x.sub(lanes(&backward.mean, lane)).mul(lanes(&backward.slope, lane));
                let centred = dy.sub(lanes(&backward.mean_dy, lane)).sub(along);
                centred.mul(lanes(&backward.factor, lane)).store(to.add(pixel + lane));
            }
        }
    }
}
