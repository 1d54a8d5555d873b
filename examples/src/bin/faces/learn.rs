//! Two ways to learn when two pictures show the same: by pairs and by triplets.

use cnnc_examples::{Result, learn, say};
use cnnc_runtime::optimizer::{Adam, Optimizer};
use cnnc_runtime::random::Random;
use cnnc_runtime::triplets::{Triplet, semi_hard};
use cnnc_runtime::{Network, Targets};

use crate::set::{Set, different};

/// Pixels by which pictures are moved at random.
const SHIFT: u64 = 2;
/// Pairs or triplets of a step.
pub const BATCH: usize = 64;
/// Of a batch that triplets are mined from: classes, and pictures of each.
const CLASSES: usize = 16;
const EACH: usize = 4;

/// A point of the space in which distances mean something.
pub type Embedding = Vec<f32>;

/// Embeddings of pictures by a network whose first input is a picture and whose first output is an embedding, in batches as large as it
/// takes.
pub fn embed(net: &mut dyn Network, pictures: &[Vec<f32>]) -> Result<Vec<Embedding>> {
    let mut embeddings = Vec::with_capacity(pictures.len());
    for batch in pictures.chunks(net.capacity()) {
        let first = batch.concat();
        let mut inputs: Vec<&[f32]> = vec![&[]; net.spec().inputs.len()];
        inputs[0] = &first;
        net.infer(batch.len(), &inputs)?;
        let len = net.spec().outputs[0].image_len();
        embeddings.extend(net.output(0).chunks_exact(len).map(<[f32]>::to_vec));
    }
    Ok(embeddings)
}

/// The square of the distance of two points.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Learns from pairs, every other one of the same class, at one rate.
pub fn by_pairs(net: &mut dyn Network, set: &Set, steps: usize, seed: u64) -> Result<()> {
    let mut random = Random::named(seed, "pairs");
    let mut optimizer = Optimizer::new(Adam::default(), net);
    let same: Vec<f32> = (0..BATCH).map(|i| f32::from(u8::from(i % 2 == 0))).collect();
    let loss = learn(steps, 0.02, |_| {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for same in &same {
            let classes = different(2, set.classes.len(), &mut random);
            let numbers = different(2, set.classes[0].len(), &mut random);
            let other = if *same == 1.0 { classes[0] } else { classes[1] };
            left.extend(set.draw(classes[0], numbers[0], SHIFT, &mut random));
            right.extend(set.draw(other, numbers[1], SHIFT, &mut random));
        }
        let loss = net.train(BATCH, &[&left, &right], &[Targets::Floats(&same)], None)?;
        optimizer.step(net);
        Ok(loss)
    })?;
    say!("{steps} steps of pairs: loss {loss:.4}");
    Ok(())
}

/// Learns from triplets that are mined from the embeddings of a batch, at one rate.
pub fn by_triplets(net: &mut dyn Network, set: &Set, steps: usize, seed: u64) -> Result<()> {
    let mut random = Random::named(seed, "triplets");
    let mut optimizer = Optimizer::new(Adam::default(), net);
    let loss = learn(steps, 0.02, |_| {
        let (mut pictures, mut labels) = (Vec::new(), Vec::new());
        for class in different(CLASSES, set.classes.len(), &mut random) {
            for number in different(EACH, set.classes[class].len(), &mut random) {
                pictures.push(set.draw(class, number, SHIFT, &mut random));
                labels.push(class as u32);
            }
        }
        let embeddings = embed(net, &pictures)?;
        let mut triplets = semi_hard(&labels, |a, b| distance(&embeddings[a], &embeddings[b]));
        random.shuffle(&mut triplets);
        triplets.truncate(BATCH);
        let side = |of: fn(&Triplet) -> usize| -> Vec<f32> {
            triplets.iter().flat_map(|triplet| pictures[of(triplet)].iter().copied()).collect()
        };
        let inputs = [side(|t| t.anchor), side(|t| t.positive), side(|t| t.negative)];
        let loss = net.train(triplets.len(), &inputs.each_ref().map(Vec::as_slice), &[], None)?;
        optimizer.step(net);
        Ok(loss)
    })?;
    say!("{steps} steps of triplets: loss {loss:.4}");
    Ok(())
}
