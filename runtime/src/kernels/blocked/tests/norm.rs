//! Batch normalisation of blocks, and sums over their channels.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::Batch;
use crate::kernels::NormalizeGrad;
use crate::kernels::blocked::*;
use crate::kernels::checks::{assert_within, everywhere, numbers};

const EPS: f32 = 1e-5;

proptest! {
    #[test]
    fn norms_agree_with_loops(images in 1_usize..4, channels in 1_usize..40, places in 1_usize..40, seed: u64) {
        prop_assume!(images * places > 3);
        let blocks = channels.div_ceil(BLOCK);
        let image = blocks * places * BLOCK;
        let x: Vec<f32> = numbers(seed, images * image).iter().map(|x| x + 0.5).collect();
        let dy = numbers(seed ^ 1, x.len());
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
            let sum = of(c).map(|i| f64::from(dy[i])).sum::<f64>();
            let product = of(c).map(|i| f64::from(dy[i]) * normal(i)).sum::<f64>();
            sums[4 * c..][..4].copy_from_slice(&[sum, product, sum / count, product / count]);
            for i in of(c) {
                y[i] = normal(i) * f64::from(w[c]) + f64::from(b[c]);
                dx[i] = f64::from(w[c]) * scale * (f64::from(dy[i]) - sum / count - normal(i) * product / count);
            }
        }
        // Lanes without a channel hold what nobody reads.
        let of_channels = |values: &[f32]| -> Vec<f32> { (0..channels).flat_map(of).map(|i| values[i]).collect() };
        let expected = |values: &[f64]| -> Vec<f64> { (0..channels).flat_map(of).map(|i| values[i]).collect() };
        let (y, dx) = (expected(&y), expected(&dx));
        for (isa, edge) in everywhere() {
            let name = format!("{isa:?}");
            let [x, dy, w, b] = [&x, &dy, &w, &b].map(|values| edge.of(values));
            let (x_all, dy_all) = (Batch::dense(&x, image), Batch::dense(&dy, image));
            let (mut table, mut table_of_sums, mut totals) =
                (edge.unset(2 * channels), edge.unset(4 * channels), edge.unset(channels));
            for (block, table) in table.chunks_mut(2 * BLOCK).enumerate() {
                isa.blocked_batch_stats(x_all, block, places, table);
            }
            assert_within(&table, &stats, 2e-6, 1.0, &name);
            for (block, sums) in table_of_sums.chunks_mut(4 * BLOCK).enumerate() {
                isa.blocked_normalize_sums(x_all, &table, dy_all, block, EPS, places, sums);
            }
            assert_within(&table_of_sums, &sums, 1e-5, 1.0, &name);
            for (block, totals) in totals.chunks_mut(BLOCK).enumerate() {
                isa.blocked_channel_sum(dy_all, block, places, totals);
            }
            let wanted: Vec<f64> = sums.chunks_exact(4).map(|sums| sums[0]).collect();
            assert_within(&totals, &wanted, 1e-5, 1.0, &name);
            let (mut got, mut gradient) = (edge.unset(x.len()), edge.unset(x.len()));
            let norm = NormalizeGrad { stats: &table, weight: &w, sums: &table_of_sums, eps: EPS };
            for (i, (got, gradient)) in got.chunks_exact_mut(image).zip(gradient.chunks_exact_mut(image)).enumerate() {
                isa.blocked_normalize(&table, &w, &b, EPS, places, x_all.image(i), got);
                isa.blocked_normalize_grad(&norm, places, x_all.image(i), dy_all.image(i), gradient);
            }
            assert_within(&of_channels(&got), &y, 1e-5, 1.0, &name);
            assert_within(&of_channels(&gradient), &dx, 5e-5, 1.0, &name);
        }
    }
}
