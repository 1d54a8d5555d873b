//! Finders of points.

/// The percentage of correct key points (Yang & Ramanan 2013, "Articulated human detection with flexible mixtures of parts"), as a share from 0 to 1: how many of the `found` points lie within
/// `share` times the reference length of the true ones. Points are x, y pairs, `points` of them for each picture; `lengths`
/// has one reference length for each picture: the side of a box or the size of a head ("PCKh"). Points whose truth is NaN are
/// not visible and do not count; 0 where none does.
pub fn pck(found: &[f32], truth: &[f32], points: usize, lengths: &[f32], share: f32) -> f64 {
    let (mut right, mut all) = (0_usize, 0_usize);
    let pictures = found.chunks_exact(2 * points.max(1)).zip(truth.chunks_exact(2 * points.max(1))).zip(lengths);
    for ((found, truth), length) in pictures {
        for (f, t) in found.as_chunks::<2>().0.iter().zip(truth.as_chunks::<2>().0) {
            if t[0].is_nan() || t[1].is_nan() {
                continue;
            }
            all += 1;
            let distance = (f[0] - t[0]).hypot(f[1] - t[1]);
            right += usize::from(distance <= share * length);
        }
    }
    right as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_points_count() {
        let truth = [0.0, 0.0, 10.0, 10.0, 5.0, 5.0, f32::NAN, 0.0];
        let found = [3.0, 4.0, 10.0, 16.0, 5.0, 5.0, 0.0, 0.0];
        assert_eq!(pck(&found, &truth, 2, &[10.0, 10.0], 0.5), 2.0 / 3.0);
        assert_eq!(pck(&found, &truth, 2, &[10.0, 10.0], 0.1), 1.0 / 3.0);
        assert_eq!(pck(&[f32::NAN, 0.0], &[0.0, 0.0], 1, &[1.0], 0.5), 0.0);
        assert_eq!(pck(&[], &[], 2, &[], 0.5), 0.0);
    }
}
