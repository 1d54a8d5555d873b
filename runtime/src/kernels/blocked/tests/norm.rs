//! Batch normalisation of blocks, and sums over their channels.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::Batch;
use crate::kernels::blocked::*;
use crate::kernels::checks::{assert_within, everywhere, numbers};
use crate::kernels::{NormalizeGrad, batch_stats, batch_sums};

const EPS: f32 = 1e-5;

/// What an activation multiplies numbers left of zero with.
fn leak(slope: Slope) -> f64 {
    match slope {
        Slope::One => 1.0,
        Slope::Relu => 0.0,
        Slope::Leaky(slope) => slope.into(),
    }
}

proptest! {
    #[test]
    fn norms_agree_with_loops(
        images in 1_usize..4, channels in 1_usize..40, places in 1_usize..40, added: bool, gated: bool,
        slope in prop_oneof![Just(Slope::One), Just(Slope::Relu), Just(Slope::Leaky(0.25))], seed: u64,
    ) {
        prop_assume!(images * places > 3);
        let blocks = channels.div_ceil(BLOCK);
        let image = blocks * places * BLOCK;
        let x: Vec<f32> = numbers(seed, images * image).iter().map(|x| x + 0.5).collect();
        let (dy, add) = (numbers(seed ^ 1, x.len()), numbers(seed ^ 4, x.len()));
        let (w, b) = (numbers(seed ^ 2, channels), numbers(seed ^ 3, channels));
        let count = (images * places) as f64;
        let of = |c: usize| {
            (0..images * places).map(move |p| {
                (p / places * blocks + c / BLOCK) * places * BLOCK + p % places * BLOCK + c % BLOCK
            })
        };
        let (mut stats, mut sums) = (vec![0.0; 2 * channels], vec![0.0; 4 * channels]);
        let (mut y, mut dx) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
        for c in 0..channels {
            let mean = of(c).map(|i| f64::from(x[i])).sum::<f64>() / count;
            let variance = of(c).map(|i| (f64::from(x[i]) - mean).powi(2)).sum::<f64>() / count;
            prop_assume!(variance > 0.01);
            let scale = 1.0 / (variance + f64::from(EPS)).sqrt();
            let normal = |i: usize| (f64::from(x[i]) - mean) * scale;
            (stats[2 * c], stats[2 * c + 1]) = (mean, variance);
            let affine = |i: usize| normal(i) * f64::from(w[c]) + f64::from(b[c]);
            // On which side of the activation's kink a number is must not depend on how it was rounded.
            prop_assume!(of(c).all(|i| affine(i).abs() > 1e-5));
            let upstream = |i: usize| f64::from(dy[i]) * if gated && affine(i) < 0.0 { leak(slope) } else { 1.0 };
            let sum = of(c).map(upstream).sum::<f64>();
            let product = of(c).map(|i| upstream(i) * normal(i)).sum::<f64>();
            sums[4 * c..][..4].copy_from_slice(&[sum, product, sum / count, product / count]);
            for i in of(c) {
                let value = affine(i) + if added { f64::from(add[i]) } else { 0.0 };
                y[i] = if value < 0.0 { leak(slope) * value } else { value };
                dx[i] = f64::from(w[c]) * scale * (upstream(i) - sum / count - normal(i) * product / count);
            }
        }
        // Lanes without a channel hold what nobody reads.
        let of_channels = |values: &[f32]| -> Vec<f32> { (0..channels).flat_map(of).map(|i| values[i]).collect() };
        let expected = |values: &[f64]| -> Vec<f64> { (0..channels).flat_map(of).map(|i| values[i]).collect() };
        let (y, dx) = (expected(&y), expected(&dx));
        for (isa, edge) in everywhere() {
            let name = format!("{isa:?}");
            let [x, dy, add, w, b] = [&x, &dy, &add, &w, &b].map(|values| edge.of(values));
            let (x_all, dy_all) = (Batch::dense(&x, image), Batch::dense(&dy, image));
            let (mut table, mut table_of_sums, mut totals) =
                (edge.unset(2 * channels), edge.unset(4 * channels), edge.unset(channels));
            let gate = Gate { weight: &w, bias: &b, slope };
            let gate = gated.then_some(&gate);
            let mut pairs = edge.unset(2 * channels * images);
            for (x, y) in x.chunks_exact(image).zip(pairs.chunks_exact_mut(2 * channels)) {
                isa.blocked_moments(places, x, y);
            }
            batch_stats(Batch::dense(&pairs, 2 * channels), 0, places, &mut table);
            assert_within(&table, &stats, 2e-6, 1.0, &name);
            let both = x.chunks_exact(image).zip(dy.chunks_exact(image));
            for ((x, dy), y) in both.zip(pairs.chunks_exact_mut(2 * channels)) {
                isa.blocked_normalize_sums(&table, gate, EPS, places, x, dy, y);
            }
            batch_sums(Batch::dense(&pairs, 2 * channels), 0, places, &mut table_of_sums);
            assert_within(&table_of_sums, &sums, 1e-5, 1.0, &name);
            for (block, totals) in totals.chunks_mut(BLOCK).enumerate() {
                isa.blocked_channel_sum(dy_all, block, places, totals);
            }
            let wanted: Vec<f64> =
                (0..channels).map(|c| of(c).map(|i| f64::from(dy[i])).sum::<f64>()).collect();
            assert_within(&totals, &wanted, 1e-5, 1.0, &name);
            let (mut got, mut gradient) = (edge.unset(x.len()), edge.unset(x.len()));
            let norm = NormalizeGrad { stats: &table, weight: &w, sums: &table_of_sums, eps: EPS };
            for (i, (got, gradient)) in got.chunks_exact_mut(image).zip(gradient.chunks_exact_mut(image)).enumerate() {
                let add = added.then(|| &add[i * image..][..image]);
                let finish = Finish { bias: Some(&b), add, slope };
                isa.blocked_normalize(&table, &w, EPS, places, x_all.image(i), &finish, got);
                isa.blocked_normalize_grad(&norm, gate, places, x_all.image(i), dy_all.image(i), gradient);
            }
            assert_within(&of_channels(&got), &y, 1e-5, 1.0, &name);
            assert_within(&of_channels(&gradient), &dx, 5e-5, 1.0, &name);
        }
    }
}
