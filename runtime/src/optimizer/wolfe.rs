//! A line search: how far to go in a direction, so that the strong Wolfe conditions hold (Nocedal & Wright 2006, algorithms 3.5 and
//! 3.6). The loss has fallen by a share of what its slope promised, and the slope has become flatter. Operations and constants are
//! those of `torch.optim.LBFGS` with `line_search_fn="strong_wolfe"`.

use super::steps::double_root;

/// Share of the fall that the first slope promises.
const FALL: f64 = 1e-4;
/// Share of the first slope that may be left.
const FLATTER: f64 = 0.9;
/// Most points that are looked at.
const MOST: usize = 25;
/// Intervals in which no weight moves by more are not divided.
const SMALLEST: f64 = 1e-9;

/// A point on the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// In lengths of the direction.
    pub(super) at: f64,
    /// The loss there.
    pub(super) loss: f64,
    /// How it changes per length.
    pub(super) slope: f64,
}

/// An interval with its better end first, and how often in a row its division came close to an end.
struct Bracket {
    low: Point,
    high: Point,
    stuck: bool,
}

/// How far to go: `first` is tried first, from `start`, whose slope is below 0. `reach` is the largest move of a weight per length.
pub(super) fn search<E>(
    start: Point,
    first: f64,
    reach: f64,
    mut look: impl FnMut(f64) -> Result<Point, E>,
) -> Result<f64, E> {
    let (mut before, mut now) = (start, look(first)?);
    let mut looked = 0;
    let bracket = loop {
        if looked == MOST {
            break Bracket::of(start, now);
        }
        if !falls(start, now) || (looked > 1 && now.loss >= before.loss) {
            break Bracket::of(before, now);
        }
        if is_flat(start, now) {
            return Ok(now.at);
        }
        if now.slope >= 0.0 {
            break Bracket::of(before, now);
        }
        let bounds = (now.at + 0.01 * (now.at - before.at), now.at * 10.0);
        let next = look(lowest(before, now, bounds))?;
        (before, now) = (now, next);
        looked += 1;
    };
    zoom(start, bracket, reach, MOST - looked, look)
}

/// Divides the interval until a point in it fulfils both conditions.
fn zoom<E>(
    start: Point,
    mut bracket: Bracket,
    reach: f64,
    most: usize,
    mut look: impl FnMut(f64) -> Result<Point, E>,
) -> Result<f64, E> {
    for _ in 0..most {
        if (bracket.high.at - bracket.low.at).abs() * reach < SMALLEST {
            break;
        }
        let now = look(bracket.divide())?;
        if !falls(start, now) || now.loss >= bracket.low.loss {
            bracket = Bracket { stuck: bracket.stuck, ..Bracket::of(bracket.low, now) };
            continue;
        }
        if is_flat(start, now) {
            return Ok(now.at);
        }
        if now.slope * (bracket.high.at - bracket.low.at) >= 0.0 {
            bracket.high = bracket.low;
        }
        bracket.low = now;
    }
    Ok(bracket.low.at)
}

/// The first condition: the loss fell enough.
fn falls(start: Point, point: Point) -> bool {
    point.loss <= start.loss + FALL * point.at * start.slope
}

/// The second condition: the slope is flatter.
fn is_flat(start: Point, point: Point) -> bool {
    point.slope.abs() <= -FLATTER * start.slope
}

impl Bracket {
    fn of(a: Point, b: Point) -> Self {
        // A loss that is no number is not the lower one.
        let (low, high) = if b.loss < a.loss { (b, a) } else { (a, b) };
        Self { low, high, stuck: false }
    }

    /// Where to look next: where a cubic is lowest, away from the ends if that brought no progress twice.
    fn divide(&mut self) -> f64 {
        let (left, right) = if self.low.at <= self.high.at { (self.low, self.high) } else { (self.high, self.low) };
        let at = lowest(left, right, (left.at, right.at));
        let margin = 0.1 * (right.at - left.at);
        let is_close = (right.at - at).min(at - left.at) < margin;
        if !(is_close && (self.stuck || at >= right.at || at <= left.at)) {
            self.stuck = is_close;
            return at;
        }
        self.stuck = false;
        if (at - right.at).abs() < (at - left.at).abs() { right.at - margin } else { left.at + margin }
    }
}

/// Where the cubic through two points with their slopes is lowest, within bounds.
fn lowest(left: Point, right: Point, (least, most): (f64, f64)) -> f64 {
    let between = left.slope + right.slope - 3.0 * (left.loss - right.loss) / (left.at - right.at);
    let square = between * between - left.slope * right.slope;
    if square.is_nan() || square < 0.0 {
        return (least + most) / 2.0;
    }
    let root = double_root(square);
    let share = (right.slope + root - between) / (right.slope - left.slope + 2.0 * root);
    let at = right.at - (right.at - left.at) * share;
    if at.is_nan() { (least + most) / 2.0 } else { at.max(least).min(most) }
}
