//! Answers of several networks, or to several pieces of each picture.

use std::vec;
use std::vec::Vec;

use super::scores::Scores;
use super::sums::Sums;
use super::{Measures, Metrics, Pair, each, pairs};
use crate::data::Dataset;
use crate::{Error, Network, Spec, TargetKind};

/// Answers to the images of a data set, averaged: those of several networks of one kind (an ensemble), those to several
/// pieces of each picture ([`crops`](crate::augment::crops)), or both. Classes are averaged as probabilities, floats as they are.
#[derive(Clone, Debug)]
pub struct Answers {
    spec: &'static Spec,
    pairs: Vec<Pair>,
    /// For each pair the sum of the answers, image after image.
    sums: Vec<Vec<f32>>,
    added: usize,
}

impl Answers {
    /// None yet; `spec` is that of the networks.
    pub fn new(spec: &'static Spec) -> Self {
        let pairs = pairs(spec);
        Self { spec, sums: vec![Vec::new(); pairs.len()], pairs, added: 0 }
    }

    /// Adds the answers of a network to the images of a data set: the same images each time, in the same order.
    ///
    /// # Errors
    /// Where the network refuses an image, or a photo cannot be read.
    ///
    /// # Panics
    /// If there are more or fewer images than at the first time.
    pub fn add(&mut self, network: &mut dyn Network, data: &Dataset, size: usize) -> Result<(), Error> {
        let threads = network.memory().pool.threads();
        let mut answers: Vec<Vec<f32>> = vec![Vec::new(); self.pairs.len()];
        each(data, self.spec, size, threads, |batch, numbers| {
            network.infer(numbers.len(), &batch.inputs())?;
            for (pair, answers) in self.pairs.iter().zip(&mut answers) {
                let (y, target) = (network.output(pair.output), &self.spec.targets[pair.target]);
                match target.kind {
                    TargetKind::Class(classes) => answers.extend(Scores::of(target, classes).probabilities(y)),
                    TargetKind::Float => answers.extend_from_slice(y),
                }
            }
            Ok(())
        })?;
        self.add_sums(&answers, 1);
        Ok(())
    }

    /// Adds all answers that others are the mean of.
    ///
    /// # Panics
    /// If these are not answers to the same images, of networks of the same kind.
    pub fn join(&mut self, others: &Self) {
        self.add_sums(&others.sums, others.added);
    }

    fn add_sums(&mut self, answers: &[Vec<f32>], added: usize) {
        for (sums, answers) in self.sums.iter_mut().zip(answers) {
            assert!(self.added == 0 || sums.len() == answers.len(), "answers to the same images");
            sums.resize(answers.len(), 0.0);
            sums.iter_mut().zip(answers).for_each(|(sum, answer)| *sum += answer);
        }
        self.added += added;
    }

    /// The mean answers to the target at this position in [`Spec::targets`], image after image; empty where no output has its shape.
    pub fn mean(&self, target: usize) -> Vec<f32> {
        let of_target = self.pairs.iter().zip(&self.sums).find(|(pair, _)| pair.target == target);
        let sums = of_target.map_or(&[][..], |(_, sums)| sums);
        sums.iter().map(|sum| sum / self.added.max(1) as f32).collect()
    }

    /// Compares the means with the targets of the data set, `size` images at a time, by the default [`Measures`].
    ///
    /// # Errors
    /// Where a photo cannot be read.
    pub fn metrics(&self, data: &Dataset, size: usize) -> Result<Metrics, Error> {
        self.metrics_by(data, size, &Measures::default())
    }

    /// The same by other measures.
    ///
    /// # Errors
    /// Where a photo cannot be read.
    pub fn metrics_by(&self, data: &Dataset, size: usize, measures: &Measures) -> Result<Metrics, Error> {
        let mut sums = Sums::of(&self.pairs, self.spec, data, measures);
        let means: Vec<Vec<f32>> = self.pairs.iter().map(|pair| self.mean(pair.target)).collect();
        each(data, self.spec, size, 1, |batch, numbers| {
            let targets = batch.targets();
            for ((pair, mean), sums) in self.pairs.iter().zip(&means).zip(&mut sums) {
                let len = mean.len() / data.len();
                let y = &mean[numbers[0] * len..][..numbers.len() * len];
                sums.add(y, &targets[pair.target], numbers.len());
            }
            Ok(())
        })?;
        Ok(Metrics::new(self.spec, data, &self.pairs, sums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::evaluate;

    #[test]
    fn answers_of_several_networks_are_averaged() {
        use crate::Options;
        use crate::testing::{CLASSES, PIXELS, SPEC, Tiny};
        let images: Vec<f32> = (0..3 * PIXELS).map(|i| (i % 7) as f32 / 7.0).collect();
        let labels = crate::data::TargetValues::Classes(vec![0, 1, 2]);
        let data = Dataset::in_memory(&SPEC, vec![images.clone()], vec![labels]).expect("fits");
        let mut networks = [1, 2].map(|seed| Tiny::new(&Options { seed, batch: 2, ..Options::default() }));
        let mut answers = Answers::new(&SPEC);
        let mut sum = [0.0; 3 * CLASSES];
        for network in &mut networks {
            answers.add(network, &data, 2).expect("answers");
            for (image, sum) in images.chunks_exact(PIXELS).zip(sum.chunks_exact_mut(CLASSES)) {
                network.infer(1, &[image]).expect("an answer");
                sum.iter_mut().zip(network.output(0)).for_each(|(sum, y)| *sum += y);
            }
        }
        assert_eq!(answers.mean(0), sum.iter().map(|sum| sum / 2.0).collect::<Vec<f32>>());
        let right = answers.mean(0).chunks_exact(CLASSES).enumerate().map(|(i, y)| f64::from(y[i])).collect::<Vec<_>>();
        let loss = -right.iter().map(|p| p.ln()).sum::<f64>() / 3.0;
        let metrics = answers.metrics(&data, 2).expect("metrics");
        assert!((metrics.loss().expect("a loss") - loss).abs() < 1e-12);
        let mut alone = Answers::new(&SPEC);
        alone.add(&mut networks[0], &data, 2).expect("answers");
        assert_eq!(alone.metrics(&data, 3), evaluate(&mut networks[0], &data, 2));
        let mut other = Answers::new(&SPEC);
        other.add(&mut networks[1], &data, 2).expect("answers");
        alone.join(&other);
        assert_eq!(alone.mean(0), answers.mean(0));
    }
}
