//! Cross-entropy at each pixel of a map, with smoothed and weighted classes, and pixels that count for nothing.

use super::math::{exp, ln};
use super::sums::larger;
use crate::isa::per_isa;

/// What a loss makes of labels.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropyMap<'a> {
    /// What is taken from the class of a pixel and given to all in equal parts.
    pub smoothing: f32,
    /// The weight of each class; none where all are 1.
    pub weights: &'a [f32],
    /// The label of pixels that count for nothing.
    pub ignore: Option<u32>,
}

/// Pixels that are worked on at once: neighbours, so that each channel's share of them is one run.
const BLOCK: usize = 32;

impl CrossEntropyMap<'_> {
    #[inline(always)]
    fn weight(&self, class: usize) -> f32 {
        if self.weights.is_empty() { 1.0 } else { self.weights[class] }
    }

    /// The sum of the weights, `classes` where all are 1.
    #[inline(always)]
    fn total(&self, classes: usize) -> f32 {
        if self.weights.is_empty() { classes as f32 } else { self.weights.iter().sum() }
    }

    #[inline(always)]
    fn counts(&self, label: u32) -> bool {
        self.ignore != Some(label)
    }

    /// How many pixels count, but at least 1.
    #[inline(always)]
    fn count(&self, labels: &[u32]) -> f32 {
        labels.iter().filter(|label| self.counts(**label)).count().max(1) as f32
    }
}

/// One at the class of each label in `y`, which holds zeros.
pub fn one_hot(labels: &[u32], ignore: Option<u32>, y: &mut [f32]) {
    for (place, label) in labels.iter().enumerate().filter(|(_, label)| ignore != Some(**label)) {
        y[*label as usize * labels.len() + place] = 1.0;
    }
}

/// The largest score of each of the pixels from `first`.
#[inline(always)]
fn most(x: &[f32], places: usize, first: usize, most: &mut [f32]) {
    most.fill(f32::NEG_INFINITY);
    for x in x.chunks_exact(places) {
        most.iter_mut().zip(&x[first..]).for_each(|(most, x)| *most = larger(*most, *x));
    }
}

per_isa! {
    /// The mean over the pixels that count of −Σ weight · share · log softmax(x) over classes; `x` is `[classes][pixels]`.
    pub fn cross_entropy_map(terms: &CrossEntropyMap<'_>, x: &[f32], labels: &[u32]) -> f32 {
        let (places, classes) = (labels.len(), x.len() / labels.len());
        let spread = terms.smoothing / classes as f32;
        let mut sum = 0.0_f64;
        for (block, labels) in labels.chunks(BLOCK).enumerate() {
            let (first, count) = (block * BLOCK, labels.len());
            let (mut tops, mut sums, mut below) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK], [0.0_f32; BLOCK]);
            let (tops, sums, below) = (&mut tops[..count], &mut sums[..count], &mut below[..count]);
            most(x, places, first, tops);
            for (class, x) in x.chunks_exact(places).enumerate() {
                let weight = terms.weight(class);
                for (((sum, below), top), x) in sums.iter_mut().zip(&mut *below).zip(&*tops).zip(&x[first..]) {
                    *sum += exp(x - top);
                    *below += weight * (top - x);
                }
            }
            for (place, label) in labels.iter().enumerate().filter(|(_, label)| terms.counts(**label)) {
                let class = *label as usize;
                // The difference first: next to a large score the logarithm would be rounded away.
                let (log, own) = (ln(sums[place]), tops[place] - x[class * places + first + place]);
                let mut loss = (1.0 - terms.smoothing) * terms.weight(class) * (log + own);
                if spread != 0.0 {
                    loss += spread * (terms.total(classes) * log + below[place]);
                }
                sum += f64::from(loss);
            }
        }
        sum as f32 / terms.count(labels)
    }

    /// Its gradient times `upstream`: softmax · Σ weight · share − weight · share.
    pub fn cross_entropy_map_grad(
        terms: &CrossEntropyMap<'_>,
        x: &[f32],
        labels: &[u32],
        upstream: f32,
        dx: &mut [f32],
    ) {
        let (places, classes) = (labels.len(), x.len() / labels.len());
        let scale = upstream / terms.count(labels);
        let (own, spread) = (1.0 - terms.smoothing, terms.smoothing / classes as f32);
        let total = spread * terms.total(classes);
        for (block, labels) in labels.chunks(BLOCK).enumerate() {
            let (first, count) = (block * BLOCK, labels.len());
            let (mut tops, mut sums, mut others) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK], [0.0_f32; BLOCK]);
            let (tops, sums, others) = (&mut tops[..count], &mut sums[..count], &mut others[..count]);
            most(x, places, first, tops);
            for (class, (x, dx)) in x.chunks_exact(places).zip(dx.chunks_exact_mut(places)).enumerate() {
                let pixels = x[first..].iter().zip(&mut dx[first..]).zip(labels).zip(&*tops);
                for ((((x, dx), label), top), (sum, others)) in pixels.zip(sums.iter_mut().zip(&mut *others)) {
                    *dx = exp(x - top);
                    *sum += *dx;
                    *others += if *label as usize == class { 0.0 } else { *dx };
                }
            }
            // By pixel: what softmax is multiplied by, and what is taken from all classes for their weight.
            let (mut pull, mut push) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK]);
            for (place, label) in labels.iter().enumerate().filter(|(_, label)| terms.counts(**label)) {
                pull[place] = scale * (own * terms.weight(*label as usize) + total) / sums[place];
                push[place] = scale * spread;
            }
            for (class, dx) in dx.chunks_exact_mut(places).enumerate() {
                let weight = terms.weight(class);
                for ((dx, pull), push) in dx[first..][..count].iter_mut().zip(&pull).zip(&push) {
                    *dx = *dx * pull - weight * push;
                }
            }
            // At the class itself p − 1 is minus the sum of the others: it has few digits where p is nearly 1.
            for (place, label) in labels.iter().enumerate().filter(|(_, label)| terms.counts(**label)) {
                let (class, sum) = (*label as usize, sums[place]);
                let at = class * places + first + place;
                let p = exp(x[at] - tops[place]) / sum;
                let weight = terms.weight(class);
                dx[at] = scale * (p * total - weight * spread - own * weight * (others[place] / sum));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{assert_within, everywhere, numbers};
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Loss and gradient by loops in `f64`.
    fn expected(terms: &CrossEntropyMap<'_>, x: &[f32], labels: &[u32], upstream: f64) -> (f64, Vec<f64>) {
        let (places, classes) = (labels.len(), x.len() / labels.len());
        let counted = labels.iter().filter(|label| Some(**label) != terms.ignore).count().max(1) as f64;
        let (mut loss, mut dx) = (0.0, vec![0.0; x.len()]);
        for place in (0..places).filter(|place| Some(labels[*place]) != terms.ignore) {
            let score = |class: usize| f64::from(x[class * places + place]);
            let most = (0..classes).map(score).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = (0..classes).map(|class| (score(class) - most).exp()).sum();
            let smoothing = f64::from(terms.smoothing);
            let share = |class: usize| {
                let own = if labels[place] as usize == class { 1.0 - smoothing } else { 0.0 };
                f64::from(terms.weight(class)) * (own + smoothing / classes as f64)
            };
            let all: f64 = (0..classes).map(share).sum();
            for class in 0..classes {
                loss -= share(class) * (score(class) - most - sum.ln()) / counted;
                let slope = (score(class) - most).exp() / sum * all - share(class);
                dx[class * places + place] = slope * upstream / counted;
            }
        }
        (loss, dx)
    }

    proptest! {
        #[test]
        fn agrees_with_loops(
            classes in 1_usize..9,
            places in 1_usize..80,
            seed: u64,
            scale in 0.1_f32..20.0,
            smoothing in prop_oneof![Just(0.0_f32), 0.0_f32..=1.0],
            weighted: bool,
            ignore in prop_oneof![Just(None), Just(Some(0_u32)), Just(Some(255))],
        ) {
            let x: Vec<f32> = numbers(seed, classes * places).iter().map(|x| x * scale).collect();
            let draws = numbers(seed ^ 1, places);
            let labels: Vec<u32> = draws.iter().map(|draw| match ignore {
                Some(label) if *draw > 0.5 => label,
                _ => (draw.abs() * 1e4) as u32 % classes as u32,
            }).collect();
            let weights: Vec<f32> = numbers(seed ^ 2, classes).iter().map(|x| x.abs() * 2.0).collect();
            let terms = CrossEntropyMap { smoothing, weights: if weighted { &weights } else { &[] }, ignore };
            let (loss, gradient) = expected(&terms, &x, &labels, 0.7);
            for (isa, edge) in everywhere() {
                let (name, x) = (alloc::format!("{isa:?}"), edge.of(&x));
                assert_within(&[isa.cross_entropy_map(&terms, &x, &labels)], &[loss], 3e-6, 1.0, &name);
                let mut dx = edge.unset(classes * places);
                isa.cross_entropy_map_grad(&terms, &x, &labels, 0.7, &mut dx);
                assert_within(&dx, &gradient, 1e-6, 1.0, &name);
            }
        }
    }

    #[test]
    fn a_sure_pixel_keeps_the_digits_of_its_gradient() {
        let terms = CrossEntropyMap { smoothing: 0.0, weights: &[], ignore: None };
        for isa in crate::Isa::available() {
            let mut dx = [0.0; 2];
            isa.cross_entropy_map_grad(&terms, &[20.0, 0.0], &[0], 1.0, &mut dx);
            assert!((f64::from(dx[0]) / -(-20.0_f64).exp() - 1.0).abs() < 1e-5, "{dx:?}");
        }
    }

    #[test]
    fn classes_become_vectors_where_there_are_some() {
        let mut y = [0.0; 6];
        one_hot(&[1, 255, 0], Some(255), &mut y);
        assert_eq!(y, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }
}
