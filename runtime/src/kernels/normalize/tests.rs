use super::super::checks::{Edge, Guarded, assert_close, assert_within, everywhere, numbers};
use super::*;
use crate::Isa;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A batch of images of `channels` times `places`, and the statistics of each channel by loops.
struct Case {
    channels: usize,
    places: usize,
    x: Vec<f32>,
    dy: Vec<f32>,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

const EPS: f32 = 1e-5;

impl Case {
    fn new(images: usize, channels: usize, places: usize, seed: u64, offset: f32) -> Self {
        let len = images * channels * places;
        let x: Vec<f32> = numbers(seed, len).iter().map(|x| x + offset).collect();
        let mut case = Self { channels, places, x, dy: numbers(seed ^ 1, len), mean: vec![], variance: vec![] };
        for c in 0..channels {
            let all: Vec<f64> = case.channel(c).map(|i| f64::from(case.x[i])).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            case.mean.push(mean);
            case.variance.push(all.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / all.len() as f64);
        }
        case
    }

    /// Positions of a channel's elements.
    fn channel(&self, c: usize) -> impl Iterator<Item = usize> + use<> {
        let (places, image, len) = (self.places, self.channels * self.places, self.x.len());
        (0..len / image).flat_map(move |i| i * image + c * places..i * image + (c + 1) * places)
    }

    fn normal(&self, c: usize, i: usize) -> f64 {
        (f64::from(self.x[i]) - self.mean[c]) / (self.variance[c] + f64::from(EPS)).sqrt()
    }

    fn stats(&self, isa: Isa, edge: Edge) -> Guarded {
        let (x, mut stats) = (edge.of(&self.x), edge.unset(2 * self.channels));
        let image = self.channels * self.places;
        let mut moments = edge.unset(x.len() / self.places * 2);
        for (x, y) in x.chunks_exact(image).zip(moments.chunks_exact_mut(2 * self.channels)) {
            isa.moments(self.places, x, y);
        }
        for (c, y) in stats.chunks_exact_mut(2).enumerate() {
            batch_stats(Batch::dense(&moments, 2 * self.channels), c, self.places, y);
        }
        stats
    }
}

proptest! {
    #[test]
    fn training_agrees_with_loops(
        images in 1_usize..5, channels in 1_usize..4, places in prop_oneof![Just(1_usize), 2_usize..50], seed: u64,
    ) {
        // A batch of one or two numbers may happen to have next to no variance, which single precision cannot resolve.
        prop_assume!(images * places > 2);
        let case = Case::new(images, channels, places, seed, 0.5);
        prop_assume!(case.variance.iter().all(|v| *v > 0.01));
        let (w, b) = (numbers(seed ^ 2, channels), numbers(seed ^ 3, channels));
        let count = (images * places) as f64;
        let mut sums = vec![0.0; 4 * channels];
        let (mut y, mut dx) = (vec![0.0; case.x.len()], vec![0.0; case.x.len()]);
        // Of the terms whose difference the gradient is, and of those that the sums add up.
        let (mut size, mut terms) = (0.0_f64, 0.0_f64);
        for c in 0..channels {
            let (scale, shift) = (f64::from(w[c]), f64::from(b[c]));
            for i in case.channel(c) {
                y[i] = case.normal(c, i) * scale + shift;
                terms += f64::from(case.dy[i]).abs() * case.normal(c, i).abs().max(1.0);
                sums[4 * c] += f64::from(case.dy[i]);
                sums[4 * c + 1] += f64::from(case.dy[i]) * case.normal(c, i);
            }
            (sums[4 * c + 2], sums[4 * c + 3]) = (sums[4 * c] / count, sums[4 * c + 1] / count);
            for i in case.channel(c) {
                let factor = scale / (case.variance[c] + f64::from(EPS)).sqrt();
                size = size.max((factor * f64::from(case.dy[i])).abs());
                dx[i] = factor * (f64::from(case.dy[i]) - sums[4 * c + 2] - case.normal(c, i) * sums[4 * c + 3]);
            }
        }
        for (isa, edge) in everywhere() {
            let name = format!("{isa:?}");
            let stats = case.stats(isa, edge);
            let [x, upstream, w, b] = [&case.x, &case.dy, &w, &b].map(|values| edge.of(values));
            let expected: Vec<f64> = case.mean.iter().zip(&case.variance).flat_map(|(m, v)| [*m, *v]).collect();
            assert_close(&stats, &expected, 1e-6, &name);
            let image = channels * places;
            let mut got = edge.unset(x.len());
            for (x, y) in x.chunks_exact(image).zip(got.chunks_exact_mut(image)) {
                isa.normalize(&stats, &w, &b, EPS, places, x, y);
            }
            assert_close(&got, &y, 5e-6, &name);
            let (mut table, mut parts) = (edge.unset(4 * channels), edge.unset(2 * channels * images));
            let both = x.chunks_exact(image).zip(upstream.chunks_exact(image));
            for ((x, dy), y) in both.zip(parts.chunks_exact_mut(2 * channels)) {
                isa.normalize_sums(&stats, EPS, places, x, dy, y);
            }
            batch_sums(Batch::dense(&parts, 2 * channels), 0, places, &mut table);
            assert_within(&table, &sums, 3e-7, terms, &name);
            let gradient = NormalizeGrad { stats: &stats, weight: &w, sums: &table, eps: EPS };
            let images = x.chunks_exact(image).zip(upstream.chunks_exact(image));
            for ((x, dy), dx) in images.zip(got.chunks_exact_mut(image)) {
                isa.normalize_grad(&gradient, places, x, dy, dx);
            }
            assert_within(&got, &dx, 2e-5, size, &name);
        }
    }

    #[test]
    fn deployment_agrees_with_loops(channels in 1_usize..5, places in 1_usize..40, seed: u64) {
        let (x, w, b) = (numbers(seed, channels * places), numbers(seed ^ 1, channels), numbers(seed ^ 2, channels));
        let mean = numbers(seed ^ 3, channels);
        let variance: Vec<f32> = numbers(seed ^ 4, channels).iter().map(|v| v + 1.5).collect();
        let scale = |c: usize| f64::from(w[c]) / (f64::from(variance[c]) + f64::from(EPS)).sqrt();
        let all = || x.iter().enumerate().map(|(i, x)| (i / places, f64::from(*x)));
        let y: Vec<f64> = all().map(|(c, x)| (x - f64::from(mean[c])) * scale(c) + f64::from(b[c])).collect();
        let dx: Vec<f64> = all().map(|(c, x)| x * scale(c)).collect();
        // The largest of the terms, which may cancel in the few results that there are.
        let terms = |(c, x): (usize, f64)| (x.abs() + f64::from(mean[c]).abs()) * scale(c).abs() + f64::from(b[c]).abs();
        let size = all().map(terms).fold(0.0, f64::max);
        for (isa, edge) in everywhere() {
            let [x, w, b, mean, variance] = [&x, &w, &b, &mean, &variance].map(|values| edge.of(values));
            let s = Statistics { mean: &mean, variance: &variance, weight: &w, bias: &b, eps: EPS };
            let mut got = edge.unset(x.len());
            isa.batch_norm(&s, places, &x, &mut got);
            assert_within(&got, &y, 1e-6, size, &format!("{isa:?}"));
            isa.batch_norm_grad(&w, &variance, EPS, places, &x, &mut got);
            assert_close(&got, &dx, 2e-6, &format!("{isa:?}"));
        }
    }
}

#[test]
fn statistics_far_from_zero_stay_exact() {
    // A mean a thousand times the deviation: the textbook Σx² − (Σx)² would have no correct digit left.
    let case = Case::new(3, 2, 40_000, 1, 1000.0);
    for isa in Isa::available() {
        for (stats, (mean, variance)) in
            case.stats(isa, Edge::End).chunks_exact(2).zip(case.mean.iter().zip(&case.variance))
        {
            assert!((f64::from(stats[0]) - mean).abs() < 1e-7 * mean, "{stats:?} {mean}");
            assert!((f64::from(stats[1]) - variance).abs() < 1e-5 * variance, "{stats:?} {variance}");
        }
    }
}

#[test]
fn a_constant_channel_has_no_variance() {
    for isa in Isa::available() {
        let x = [0.1; 64];
        let (mut moments, mut stats) = ([f32::NAN; 4], [f32::NAN; 2]);
        for (x, y) in x.chunks_exact(32).zip(moments.chunks_exact_mut(2)) {
            isa.moments(32, x, y);
        }
        batch_stats(Batch::dense(&moments, 2), 0, 32, &mut stats);
        assert_eq!(stats, [0.1, 0.0]);
    }
}
