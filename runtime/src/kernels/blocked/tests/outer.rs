//! Outer products at any sizes and distances.

use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::Isa;
use crate::kernels::blocked::*;
use crate::kernels::checks::{assert_within, everywhere, numbers};

proptest! {
    #[test]
    fn outer_products_agree_with_loops(
        [rows, columns] in prop_oneof![[1_usize..6, 1_usize..12], [1_usize..30, 1_usize..30], [1_usize..3, 180_usize..420]], [x_row, x_column] in [0_usize..150, 0_usize..40],
        runs in prop::collection::vec(0_usize..100, 1..5), run in 1_usize..20,
        blocks in 1_usize..3, gap in 0_usize..40, seed: u64,
    ) {
        let pixels = rows * columns;
        let dy_block = pixels * BLOCK + gap;
        let outer = Outer { rows, columns, x_row, x_column, runs: &runs, run, blocks, dy_block };
        let farthest = runs.iter().max().expect("a run") + (rows - 1) * x_row + (columns - 1) * x_column + run;
        let (x, dy) = (numbers(seed, farthest), numbers(seed ^ 1, (blocks - 1) * dy_block + pixels * BLOCK));
        let old = numbers(seed ^ 2, blocks * runs.len() * run * BLOCK);
        let sum = |at: usize| {
            let (weight, lane) = (at / BLOCK % (runs.len() * run), at % BLOCK);
            let (block, seen) = (at / BLOCK / (runs.len() * run), runs[weight / run] + weight % run);
            let product = |p: usize| {
                let x = x[seen + p / columns * x_row + p % columns * x_column];
                f64::from(x) * f64::from(dy[block * dy_block + p * BLOCK + lane])
            };
            f64::from(old[at]) + (0..pixels).map(product).sum::<f64>()
        };
        let expected: Vec<f64> = (0..old.len()).map(sum).collect();
        for (isa, edge) in everywhere() {
            let (x, dy, mut y) = (edge.of(&x), edge.of(&dy), edge.of(&old));
            isa.outer(&outer, &x, &dy, &mut y);
            assert_within(&y, &expected, 1e-5, 1.0, &format!("{isa:?}"));
        }
    }
}

#[test]
#[should_panic(expected = "upstream gradient")]
fn sizes_beyond_memory_are_refused() {
    let columns = usize::MAX / BLOCK + 1;
    let outer = Outer { rows: 1, columns, x_row: 0, x_column: 0, runs: &[0], run: 1, blocks: 1, dy_block: 0 };
    Isa::detect().outer(&outer, &[0.0], &[], &mut [0.0; BLOCK]);
}
