//! Sums, differences, products, quotients, with repetition of dimensions of 1, and what is found along axes.

use super::sums::{larger, largest, sum};
use crate::isa::per_isa;

/// What is done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div,
}

/// Two operands over a common shape of four axes; a distance of 0 repeats an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// The common shape.
    pub shape: [usize; 4],
    /// Distance between neighbours of a on each axis.
    pub a: [usize; 4],
    /// Distance between neighbours of b on each axis.
    pub b: [usize; 4],
}

#[inline(always)]
fn apply(op: Arithmetic, a: f32, b: f32) -> f32 {
    match op {
        Arithmetic::Add => a + b,
        Arithmetic::Sub => a - b,
        Arithmetic::Mul => a * b,
        Arithmetic::Div => a / b,
    }
}

/// Calls `f(row, start in a, start in b)` for every run of the last axis.
#[inline(always)]
fn runs(shape: [usize; 4], a: [usize; 4], b: [usize; 4], mut f: impl FnMut(usize, usize, usize)) {
    let mut row = 0;
    for i in 0..shape[0] {
        for j in 0..shape[1] {
            for k in 0..shape[2] {
                f(row, i * a[0] + j * a[1] + k * a[2], i * b[0] + j * b[1] + k * b[2]);
                row += 1;
            }
        }
    }
}

per_isa! {
    /// y = y op x.
    pub fn arithmetic(op: Arithmetic, y: &mut [f32], x: &[f32]) {
        assert_eq!(y.len(), x.len());
        match op {
            Arithmetic::Add => y.iter_mut().zip(x).for_each(|(y, x)| *y += x),
            Arithmetic::Sub => y.iter_mut().zip(x).for_each(|(y, x)| *y -= x),
            Arithmetic::Mul => y.iter_mut().zip(x).for_each(|(y, x)| *y *= x),
            Arithmetic::Div => y.iter_mut().zip(x).for_each(|(y, x)| *y /= x),
        }
    }

    /// y = a op b, with repetition.
    pub fn arithmetic_broadcast(op: Arithmetic, over: &Broadcast, a: &[f32], b: &[f32], y: &mut [f32]) {
        let len = over.shape[3];
        runs(over.shape, over.a, over.b, |row, at, bt| {
            let y = &mut y[row * len..][..len];
            match (over.a[3], over.b[3]) {
                (1, 1) => {
                    let operands = a[at..at + len].iter().zip(&b[bt..bt + len]);
                    y.iter_mut().zip(operands).for_each(|(y, (a, b))| *y = apply(op, *a, *b));
                }
                (1, 0) => {
                    let b = b[bt];
                    y.iter_mut().zip(&a[at..at + len]).for_each(|(y, a)| *y = apply(op, *a, b));
                }
                (0, 1) => {
                    let a = a[at];
                    y.iter_mut().zip(&b[bt..bt + len]).for_each(|(y, b)| *y = apply(op, a, *b));
                }
                (sa, sb) => {
                    for (i, y) in y.iter_mut().enumerate() {
                        *y = apply(op, a[at + i * sa], b[bt + i * sb]);
                    }
                }
            }
        });
    }

    /// Adds to y the sums of x over the axes whose distance in y is 0.
    pub fn sum_to(shape: [usize; 4], to: [usize; 4], x: &[f32], y: &mut [f32]) {
        let len = shape[3];
        runs(shape, to, to, |row, at, _| {
            let x = &x[row * len..][..len];
            if to[3] == 0 {
                y[at] += sum(x, |x| x) as f32;
            } else {
                for (y, x) in y[at..].iter_mut().zip(x) {
                    *y += x;
                }
            }
        });
    }

    /// Replaces elements of y by the largest of x over the axes whose distance in y is 0, where that is larger.
    pub fn max_to(shape: [usize; 4], to: [usize; 4], x: &[f32], y: &mut [f32]) {
        let len = shape[3];
        runs(shape, to, to, |row, at, _| {
            let x = &x[row * len..][..len];
            if to[3] == 0 {
                y[at] = larger(largest(x), y[at]);
            } else {
                y[at..].iter_mut().zip(x).for_each(|(y, x)| *y = larger(*x, *y));
            }
        });
    }

    /// The gradient of [`max_to`](Self::max_to), in equal shares to all that are the largest; `counts` is as long as `y`.
    pub fn max_to_grad(
        shape: [usize; 4],
        to: [usize; 4],
        dy: &[f32],
        x: &[f32],
        y: &[f32],
        counts: &mut [f32],
        dx: &mut [f32],
    ) {
        let len = shape[3];
        let counts = &mut counts[..y.len()];
        counts.fill(0.0);
        runs(shape, to, to, |row, at, _| {
            for (i, x) in x[row * len..][..len].iter().enumerate() {
                let at = at + i * to[3];
                counts[at] += if *x >= y[at] { 1.0 } else { 0.0 };
            }
        });
        runs(shape, to, to, |row, at, _| {
            for (i, (dx, x)) in dx[row * len..][..len].iter_mut().zip(&x[row * len..]).enumerate() {
                let at = at + i * to[3];
                *dx = if *x >= y[at] { dy[at] / counts[at] } else { 0.0 };
            }
        });
    }

    /// y = x with axes in another order: `strides` are distances in x between neighbours along the axes of y.
    pub fn transpose(shape: [usize; 4], strides: [usize; 4], x: &[f32], y: &mut [f32]) {
        let (len, step) = (shape[3], strides[3]);
        runs(shape, strides, strides, |row, at, _| {
            let y = &mut y[row * len..][..len];
            match step {
                1 => y.copy_from_slice(&x[at..at + len]),
                _ => y.iter_mut().enumerate().for_each(|(i, y)| *y = x[at + i * step]),
            }
        });
    }

    /// y = factor · y + offset.
    pub fn scale(factor: f32, offset: f32, y: &mut [f32]) {
        for y in y {
            *y = *y * factor + offset;
        }
    }
}

#[cfg(test)]
mod tests;
