//! Scores of classes, row by row: which is highest, how probable the right one is.

use std::borrow::Cow;
use std::vec;
use std::vec::Vec;

/// A row of scores for each place. Of maps of classes, images `[classes, places]`, networks have all places of a class together;
/// a class for each image is one place.
pub(super) fn rows(y: &[f32], classes: usize, places: usize) -> Cow<'_, [f32]> {
    if places == 1 {
        return Cow::Borrowed(y);
    }
    let mut rows = vec![0.0; y.len()];
    let len = (classes * places).max(1);
    for (image, rows) in y.chunks_exact(len).zip(rows.chunks_exact_mut(len)) {
        for (class, scores) in image.chunks_exact(places).enumerate() {
            scores.iter().zip(rows.chunks_exact_mut(classes)).for_each(|(score, row)| row[class] = *score);
        }
    }
    Cow::Owned(rows)
}

/// Each row as probabilities, which it may be already.
pub(super) fn probabilities(rows: &[f32], classes: usize) -> Vec<f32> {
    if are_probabilities(rows, classes) {
        return rows.to_vec();
    }
    let of_row = |y: &[f32]| {
        let most = y.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f32> = y.iter().map(|y| (y - most).exp()).collect();
        let sum: f32 = powers.iter().sum();
        powers.into_iter().map(move |power| power / sum)
    };
    rows.chunks_exact(classes).flat_map(of_row).collect()
}

/// Whether every row is a distribution.
pub(super) fn are_probabilities(rows: &[f32], classes: usize) -> bool {
    rows.chunks_exact(classes)
        .all(|y| y.iter().all(|&y| y >= 0.0) && (y.iter().map(|&y| f64::from(y)).sum::<f64>() - 1.0).abs() < 1e-3)
}

/// Of a row of probabilities, or of their logarithms up to a constant.
pub(super) fn cross_entropy(row: &[f32], label: u32, is_probability: bool) -> f64 {
    let right = row[label as usize];
    if is_probability {
        return -f64::from(right.max(f32::MIN_POSITIVE)).ln();
    }
    let most = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row.iter().map(|&y| (f64::from(y) - most).exp()).sum();
    sum.ln() + most - f64::from(right)
}

/// The position of the largest value, the first one if there are several.
pub(super) fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (i, value)| if *value > values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_logits_give_the_same() {
        let logits = [1.0_f32, -2.0, 0.5, 3.0, 3.0, -1.0];
        let mut softmax = logits;
        for y in softmax.chunks_exact_mut(3) {
            let sum: f32 = y.iter().map(|y| y.exp()).sum();
            y.iter_mut().for_each(|y| *y = y.exp() / sum);
        }
        for (row, label) in [(0..3, 2), (3..6, 1)] {
            let a = cross_entropy(&logits[row.clone()], label, false);
            let b = cross_entropy(&softmax[row], label, true);
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        assert!(are_probabilities(&softmax, 3) && !are_probabilities(&logits, 3));
        assert!(cross_entropy(&[1.0, 0.0], 1, true).is_finite());
        assert_eq!((largest(&[3.0, 3.0, -1.0]), largest(&[f32::NAN, 1.0])), (0, 0));
        for (y, p) in probabilities(&logits, 3).iter().zip(probabilities(&softmax, 3)) {
            assert!((y - p).abs() < 1e-6, "{y} {p}");
        }
    }

    #[test]
    fn maps_are_turned_into_rows() {
        // Two images of two classes at three places.
        let y: Vec<f32> = (0..12_u8).map(f32::from).collect();
        assert_eq!(rows(&y, 2, 3)[..], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0]);
        assert_eq!(rows(&y, 6, 1)[..], y[..]);
    }
}
