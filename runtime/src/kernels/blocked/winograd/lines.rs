//! The matrices, as what they make of a line of numbers: a transform is one along each axis of a tile or of a window.

use crate::simd::Vector;

/// The sizes of the points between 0 and ∞.
const NEAR: f32 = core::f32::consts::FRAC_1_SQRT_2;
const FAR: f32 = core::f32::consts::SQRT_2;

/// What rows of G are multiplied with, for their points of these sizes: one over the products of a point's distances from all others.
const OF_NEAR: f32 = -2.0 / 3.0;
const OF_FAR: f32 = 1.0 / 6.0;

/// Bᵀ times four, five or six numbers. Its fractions stand in G, which is applied once for all images, in deployment mostly before
/// the first one.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn input_line<V: Vector, const P: usize>(d: [V; P]) -> [V; P] {
    // SAFETY: the caller's promise.
    unsafe {
        let constant = |x: f32| V::splat(x);
        let mut line = d;
        if P == 4 {
            line[0] = d[0].sub(d[2]);
            line[1] = d[2].add(d[1]);
            line[2] = d[2].sub(d[1]);
            line[3] = d[3].sub(d[1]);
            return line;
        }
        if P == 5 {
            (line[0], line[1], line[2]) = (d[0].sub(d[2]), d[2], d[2].sub(d[4]));
            (line[3], line[4]) = (d[1], d[3]);
            return line;
        }
        // Shared between pairs of points of one size.
        let (even, odd) = (d[4].fma(d[2], constant(-2.0)), d[3].fma(d[1], constant(-2.0)));
        let (far_even, far_odd) = (d[4].fma(d[2], constant(-0.5)), d[3].fma(d[1], constant(-0.5)));
        line[0] = d[0].add(d[4]).fma(d[2], constant(-2.5));
        line[1] = even.fma(odd, constant(NEAR));
        line[2] = even.fma(odd, constant(-NEAR));
        line[3] = far_even.fma(far_odd, constant(FAR));
        line[4] = far_even.fma(far_odd, constant(-FAR));
        line[5] = d[1].add(d[5]).fma(d[3], constant(-2.5));
        line
    }
}

/// Bᵀ of a tile of F(4×4, 3×3) that has one or two pixels, for points 0, ±√½ and, of two pixels, ∞; of others as
/// [`input_line`] says.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn short_input_line<V: Vector, const P: usize>(pixels: usize, d: [V; P]) -> [V; P] {
    // SAFETY: the caller's promise.
    unsafe {
        if P < 6 || pixels == 0 {
            return input_line::<V, P>(d);
        }
        let mut line = d;
        line[0] = d[0].fma(d[2], V::splat(-2.0));
        // Divided by what G has for these points in whole tiles.
        let even = d[2].mul(V::splat(1.0 / OF_NEAR));
        line[1] = even.fma(d[1], V::splat(NEAR / OF_NEAR));
        line[2] = even.fma(d[1], V::splat(-NEAR / OF_NEAR));
        line[P - 1] = d[3].fma(d[1], V::splat(-0.5));
        line
    }
}

/// Aᵀ of such a tile; of others, whose points beyond those that they have are zero, as [`output_line`] says.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn short_output_line<V: Vector, const P: usize, const S: usize>(pixels: usize, m: [V; P]) -> [V; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        if P < 6 || pixels == 0 {
            return output_line::<V, P, S>(m);
        }
        let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (first, second) = (m[0].add(sum), m[P - 1].fma(difference, V::splat(NEAR)));
        [first, second, first, second]
    }
}

/// Aᵀ times four, five or six numbers, for tiles of `S` pixels a side, whose first `S` results count.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn output_line<V: Vector, const P: usize, const S: usize>(m: [V; P]) -> [V; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let (near_sum, near_difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        if P == 4 {
            let (first, second) = (m[0].add(near_sum), m[3].add(near_difference));
            return [first, second, first, second];
        }
        if P == 5 {
            let (first, second) = (m[0].add(m[1]).add(m[3]), near_difference.add(m[4]));
            return [first, second, first, second];
        }
        let (far_sum, far_difference) = (m[3].add(m[4]), m[3].sub(m[4]));
        let first = near_difference.mul(V::splat(NEAR)).fma(far_difference, V::splat(FAR));
        let second = near_sum.mul(V::splat(0.5)).fma(far_sum, V::splat(2.0));
        [
            m[0].add(near_sum).add(far_sum),
            if S == 2 { m[5].add(first) } else { first },
            if S == 3 { m[5].add(second) } else { second },
            m[5].fma(near_difference, V::splat(0.5 * NEAR)).fma(far_difference, V::splat(2.0 * FAR)),
        ]
    }
}

/// A times four numbers.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn upstream_line<V: Vector>(d: [V; 4]) -> [V; 6] {
    // SAFETY: the caller's promise.
    unsafe {
        let even = d[0].fma(d[2], V::splat(0.5));
        let odd = d[1].mul(V::splat(NEAR)).fma(d[3], V::splat(0.5 * NEAR));
        let even_far = d[0].fma(d[2], V::splat(2.0));
        let odd_far = d[1].mul(V::splat(FAR)).fma(d[3], V::splat(2.0 * FAR));
        [d[0], even.add(odd), even.sub(odd), even_far.add(odd_far), even_far.sub(odd_far), d[3]]
    }
}

/// G times the three, four or five numbers of a line of the window, for `P` points; five points are those of windows that go two
/// pixels on.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn weights_line<V: Vector, const P: usize, const R: usize>(g: [V; R]) -> [V; P] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut line = [g[0]; P];
        if P == 5 {
            (line[1], line[2]) = (g[0].add(g[2]), g[2]);
            (line[3], line[4]) = (g[1], g[1]);
            return line;
        }
        line[P - 1] = g[R - 1];
        if P == 4 {
            let (even, odd) = (g[0].add(g[2]).mul(V::splat(0.5)), g[1].mul(V::splat(0.5)));
            (line[1], line[2]) = (even.add(odd), even.sub(odd));
            return line;
        }
        let scaled = |x: V, by: f32| x.mul(V::splat(by));
        let mut even = scaled(g[0], OF_NEAR).fma(g[2], V::splat(0.5 * OF_NEAR));
        let mut far_even = scaled(g[0], OF_FAR).fma(g[2], V::splat(2.0 * OF_FAR));
        let (mut odd, mut far_odd) = (scaled(g[1], NEAR * OF_NEAR), scaled(g[1], FAR * OF_FAR));
        if R >= 4 {
            odd = odd.fma(g[3 % R], V::splat(0.5 * NEAR * OF_NEAR));
            far_odd = far_odd.fma(g[3 % R], V::splat(2.0 * FAR * OF_FAR));
        }
        if R == 5 {
            even = even.fma(g[4 % R], V::splat(0.25 * OF_NEAR));
            far_even = far_even.fma(g[4 % R], V::splat(4.0 * OF_FAR));
        }
        (line[1], line[2]) = (even.add(odd), even.sub(odd));
        (line[3], line[4]) = (far_even.add(far_odd), far_even.sub(far_odd));
        line
    }
}

/// Gᵀ times six numbers.
///
/// # Safety
/// The vector's instructions are there.
#[inline(always)]
pub(super) unsafe fn weights_back_line<V: Vector>(u: [V; 6]) -> [V; 3] {
    // SAFETY: the caller's promise.
    unsafe {
        let (near, far) = (u[1].add(u[2]), u[3].add(u[4]));
        let (near_difference, far_difference) = (u[1].sub(u[2]), u[3].sub(u[4]));
        [
            u[0].fma(near, V::splat(OF_NEAR)).fma(far, V::splat(OF_FAR)),
            near_difference.mul(V::splat(NEAR * OF_NEAR)).fma(far_difference, V::splat(FAR * OF_FAR)),
            u[5].fma(near, V::splat(0.5 * OF_NEAR)).fma(far, V::splat(2.0 * OF_FAR)),
        ]
    }
}
