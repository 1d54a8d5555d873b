//! Regions of interest: parts of a map, each brought to the same size.

use super::math::{ceil, floor, round};
use crate::Strip;
use crate::isa::per_isa;

/// How regions lie on a map and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct Regions {
    /// Height and width of the map.
    pub map: [usize; 2],
    /// Height and width of every region afterwards.
    pub size: [usize; 2],
    /// Pixels of the map for one of the image.
    pub scale: f32,
}

/// Where between the pixels of a map `roi_align` looks.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Points along each side of a bin; 0 for one in each pixel.
    pub ratio: usize,
    /// Whether pixels lie at half numbers, and regions may be smaller than a pixel.
    pub aligned: bool,
}

/// Coordinates of regions count up to this, so that whole numbers hold them.
const FAR: f32 = 1e9;

/// The pixels of an axis that bin `at` of a region sees: from, to.
///
/// In single precision as torchvision does it: the last bin of some regions ends one pixel later for its rounding.
#[inline(always)]
fn bin(start: i64, end: i64, at: usize, bins: usize, size: usize) -> (usize, usize) {
    let len = (end - start + 1).max(1) as f32 / bins as f32;
    let clamp = |pixel: i64| (pixel + start).clamp(0, size as i64) as usize;
    (clamp(floor(at as f32 * len)), clamp(ceil((at + 1) as f32 * len)))
}

impl Regions {
    /// Calls `f(index in the value, rows, columns)` for each bin of each region; the index is that of the first channel.
    #[inline(always)]
    fn bins(&self, rois: &[f32], mut f: impl FnMut(usize, (usize, usize), (usize, usize))) {
        let [height, width] = self.size;
        for (roi, corners) in rois.chunks_exact(4).enumerate() {
            let edge = |at: usize| round((corners[at] * self.scale).clamp(-FAR, FAR));
            let (left, top, right, bottom) = (edge(0), edge(1), edge(2), edge(3));
            for row in 0..height {
                let rows = bin(top, bottom, row, height, self.map[0]);
                for column in 0..width {
                    let columns = bin(left, right, column, width, self.map[1]);
                    f((roi * height + row) * width + column, rows, columns);
                }
            }
        }
    }

    /// Calls `f(index in the value, neighbours, weights)` for each point of each bin of each region.
    #[inline(always)]
    fn points(&self, how: &Sampling, rois: &[f32], mut f: impl FnMut(usize, [usize; 4], [f32; 4])) {
        let [height, width] = self.size;
        for (roi, corners) in rois.chunks_exact(4).enumerate() {
            let rows = Axis::new(self, how, corners[1], corners[3], 0);
            let columns = Axis::new(self, how, corners[0], corners[2], 1);
            let share = 1.0 / (rows.points * columns.points).max(1) as f32;
            for at in 0..height * width {
                let index = roi * height * width + at;
                for row in 0..rows.points {
                    let Some((top, bottom, down)) = rows.between(at / width, row) else { continue };
                    for column in 0..columns.points {
                        let Some((left, right, across)) = columns.between(at % width, column) else { continue };
                        let (top, bottom) = (top * self.map[1], bottom * self.map[1]);
                        let (up, down) = ((1.0 - down) * share, down * share);
                        let near = 1.0 - across;
                        let neighbours = [top + left, top + right, bottom + left, bottom + right];
                        f(index, neighbours, [up * near, up * across, down * near, down * across]);
                    }
                }
            }
        }
    }
}

/// A region along one axis.
struct Axis {
    start: f32,
    bin: f32,
    points: usize,
    size: usize,
}

impl Axis {
    #[inline(always)]
    fn new(regions: &Regions, how: &Sampling, from: f32, to: f32, axis: usize) -> Self {
        let (bins, size) = (regions.size[axis] as f32, regions.map[axis]);
        let start = from * regions.scale - if how.aligned { 0.5 } else { 0.0 };
        let len = to * regions.scale - if how.aligned { 0.5 } else { 0.0 } - start;
        let bin = if how.aligned { len } else { len.max(1.0) } / bins;
        // A region of the map's size in each bin has no use for more points than the map has pixels.
        let points = if how.ratio > 0 { how.ratio } else { ceil(bin.clamp(0.0, size as f32)) as usize };
        Self { start, bin, points, size }
    }

    /// The two pixels around a point of a bin and the weight of the second; none where the point is beyond the map.
    #[inline(always)]
    fn between(&self, bin: usize, point: usize) -> Option<(usize, usize, f32)> {
        let at = self.start + bin as f32 * self.bin + (point as f32 + 0.5) * self.bin / self.points as f32;
        // So written, NaN is beyond.
        if !(at >= -1.0 && at <= self.size as f32) {
            return None;
        }
        let (at, last) = (at.max(0.0), self.size - 1);
        let low = at as usize;
        Some(if low >= last { (last, last, 0.0) } else { (low, low + 1, at - low as f32) })
    }
}

per_isa! {
    /// The largest element of each bin of each region, 0 where it has none: `x` is `[channels, map]`, `rois` are corners
    /// `[n, 4]` in pixels of the image, a plane of `y` is `[n, size]` of a channel.
    pub fn roi_pool(r: &Regions, x: &[f32], rois: &[f32], y: &mut Strip<'_>) {
        let plane = r.map[0] * r.map[1];
        r.bins(rois, |index, rows, columns| {
            for channel in y.planes() {
                let (_, most) = largest(&x[channel * plane..][..plane], r.map[1], rows, columns).unwrap_or_default();
                y.plane(channel)[index] = most;
            }
        });
    }

    /// The gradient of [`roi_pool`](Self::roi_pool) by `x`: what arrives goes to the first largest element of each bin. Each
    /// plane of `dy` is `[n, size]`, planes of `dx` are the map.
    pub fn roi_pool_grad(r: &Regions, dy: &[f32], x: &[f32], rois: &[f32], dx: &mut Strip<'_>) {
        let plane = r.map[0] * r.map[1];
        let len = rois.len() / 4 * r.size[0] * r.size[1];
        for channel in dx.planes() {
            dx.plane(channel).fill(0.0);
        }
        r.bins(rois, |index, rows, columns| {
            for channel in dx.planes() {
                if let Some((at, _)) = largest(&x[channel * plane..][..plane], r.map[1], rows, columns) {
                    dx.plane(channel)[at] += dy[channel * len + index];
                }
            }
        });
    }

    /// The mean of points in each bin of each region, each between four pixels; operands as of [`roi_pool`](Self::roi_pool).
    pub fn roi_align(r: &Regions, how: &Sampling, x: &[f32], rois: &[f32], y: &mut Strip<'_>) {
        let plane = r.map[0] * r.map[1];
        for channel in y.planes() {
            y.plane(channel).fill(0.0);
        }
        r.points(how, rois, |index, at, weight| {
            for channel in y.planes() {
                let x = &x[channel * plane..][..plane];
                let sum = x[at[0]] * weight[0] + x[at[1]] * weight[1] + x[at[2]] * weight[2] + x[at[3]] * weight[3];
                y.plane(channel)[index] += sum;
            }
        });
    }

    /// The gradient of [`roi_align`](Self::roi_align) by its map.
    pub fn roi_align_grad(r: &Regions, how: &Sampling, dy: &[f32], rois: &[f32], dx: &mut Strip<'_>) {
        let len = rois.len() / 4 * r.size[0] * r.size[1];
        for channel in dx.planes() {
            dx.plane(channel).fill(0.0);
        }
        r.points(how, rois, |index, at, weight| {
            for channel in dx.planes() {
                let (dy, dx) = (dy[channel * len + index], dx.plane(channel));
                for (at, weight) in at.into_iter().zip(weight) {
                    dx[at] += weight * dy;
                }
            }
        });
    }
}

/// The first largest element of a rectangle of a plane, and its place; none in an empty one.
#[inline(always)]
fn largest(
    x: &[f32],
    width: usize,
    (top, bottom): (usize, usize),
    (left, right): (usize, usize),
) -> Option<(usize, f32)> {
    if top >= bottom || left >= right {
        return None;
    }
    let mut best = (top * width + left, x[top * width + left]);
    for row in top..bottom {
        let start = row * width;
        for (column, x) in x[start + left..start + right].iter().enumerate() {
            if *x > best.1 {
                best = (start + left + column, *x);
            }
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_within, everywhere, numbers};
    use super::*;
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// The regions' rectangles in pixels of the image, some beyond it, some of no size.
    fn rois(seed: u64, count: usize) -> Vec<f32> {
        let corners = numbers(seed ^ 9, 4 * count);
        corners.chunks_exact(4).flat_map(|c| [7.0 * c[0], 7.0 * c[1], 9.0 + 8.0 * c[2], 9.0 + 8.0 * c[3]]).collect()
    }

    /// The weight of pixel `pixel` at `at`, by the hat that linear interpolation is, held at the borders.
    fn hat(at: f64, pixel: usize, size: usize) -> f64 {
        if !(-1.0..=size as f64).contains(&at) {
            return 0.0;
        }
        (1.0 - (at.clamp(0.0, size as f64 - 1.0) - pixel as f64).abs()).max(0.0)
    }

    proptest! {
        #[test]
        fn agrees_with_loops(
            map in [1_usize..7, 1_usize..9], size in [1_usize..4, 1_usize..5], channels in 1_usize..4,
            count in 1_usize..4, ratio in 0_usize..3, aligned: bool, seed: u64,
        ) {
            let r = Regions { map, size, scale: 0.4 };
            let how = Sampling { ratio, aligned };
            let (plane, len) = (map[0] * map[1], count * size[0] * size[1]);
            let (x, dy, rois) = (numbers(seed, channels * plane), numbers(seed ^ 1, channels * len), rois(seed, count));
            let (mut pooled, mut pooled_grad) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
            let (mut aligned_, mut aligned_grad) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
            for at in 0..dy.len() {
                let (channel, roi) = (at / len, at % len / (size[0] * size[1]));
                let place = [at / size[1] % size[0], at % size[1]];
                let corner = |i: usize| rois[4 * roi + i] * 0.4;
                // roi_pool: the pixels of a bin are those it touches, in whole numbers.
                let seen = |axis: usize| {
                    let (from, to) = (corner(1 - axis).round() as i64, corner(3 - axis).round() as i64);
                    let (long, bins) = ((to - from + 1).max(1), size[axis] as i64);
                    let (low, high) = (place[axis] as i64 * long / bins, ((place[axis] as i64 + 1) * long + bins - 1) / bins);
                    (0..map[axis]).filter(move |i| (from + low..from + high).contains(&(*i as i64)))
                };
                let mut best: Option<usize> = None;
                for pixel in seen(0).flat_map(|row| seen(1).map(move |column| channel * plane + row * map[1] + column)) {
                    best = if best.is_none_or(|b| x[pixel] > x[b]) { Some(pixel) } else { best };
                }
                if let Some(best) = best {
                    pooled[at] = f64::from(x[best]);
                    pooled_grad[best] += f64::from(dy[at]);
                }
                // roi_align: every pixel by its weight in every point.
                let axis = |axis: usize| {
                    let (from, to) = (f64::from(corner(1 - axis)), f64::from(corner(3 - axis)));
                    let (from, to) = if aligned { (from - 0.5, to - 0.5) } else { (from, to.max(from + 1.0)) };
                    let bin = (to - from) / size[axis] as f64;
                    let points = if ratio > 0 { ratio } else { bin.clamp(0.0, map[axis] as f64).ceil() as usize };
                    let weights = (0..map[axis]).map(|pixel| {
                        let point = |i: usize| from + (place[axis] as f64 + (i as f64 + 0.5) / points as f64) * bin;
                        (0..points).map(|i| hat(point(i), pixel, map[axis])).sum::<f64>() / points.max(1) as f64
                    });
                    weights.collect::<Vec<f64>>()
                };
                let (rows, columns) = (axis(0), axis(1));
                for pixel in 0..plane {
                    let weight = rows[pixel / map[1]] * columns[pixel % map[1]];
                    aligned_[at] += weight * f64::from(x[channel * plane + pixel]);
                    aligned_grad[channel * plane + pixel] += weight * f64::from(dy[at]);
                }
            }
            for (isa, edge) in everywhere() {
                let (x, dy, rois) = (edge.of(&x), edge.of(&dy), edge.of(&rois));
                let (mut y, mut dx) = (edge.unset(dy.len()), edge.unset(x.len()));
                let what = format!("{isa:?} {r:?} {how:?}");
                isa.roi_pool(&r, &x, &rois, &mut Strip::of(&mut y, len, 0..len));
                assert_within(&y, &pooled, 0.0, 1.0, &what);
                isa.roi_pool_grad(&r, &dy, &x, &rois, &mut Strip::of(&mut dx, plane, 0..plane));
                assert_within(&dx, &pooled_grad, 1e-6, 1.0, &what);
                isa.roi_align(&r, &how, &x, &rois, &mut Strip::of(&mut y, len, 0..len));
                assert_within(&y, &aligned_, 1e-5, 1.0, &what);
                isa.roi_align_grad(&r, &how, &dy, &rois, &mut Strip::of(&mut dx, plane, 0..plane));
                assert_within(&dx, &aligned_grad, 1e-5, 1.0, &what);
            }
        }
    }

    #[test]
    fn regions_that_are_none_do_no_harm() {
        let r = Regions { map: [2, 3], size: [2, 2], scale: 1.0 };
        let strange = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, 1e30, -1e30, 0.0, 1e30, f32::NAN];
        for (isa, edge) in everywhere() {
            let (x, rois) = (edge.of(&[1.0; 6]), edge.of(&strange));
            let mut y = edge.unset(8);
            isa.roi_pool(&r, &x, &rois, &mut Strip::of(&mut y, 8, 0..8));
            assert!(y.iter().all(|y| *y == 0.0 || *y == 1.0), "{:?}", &y[..]);
            for ratio in [0, 2] {
                let how = Sampling { ratio, aligned: false };
                isa.roi_align(&r, &how, &x, &rois, &mut Strip::of(&mut y, 8, 0..8));
                assert!(y.iter().all(|y| (0.0..=1.001).contains(y)), "{:?}", &y[..]);
            }
        }
    }
}
