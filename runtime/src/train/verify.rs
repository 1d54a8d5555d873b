//! How well the embeddings of a network tell whether two pictures show the same.

use std::vec;
use std::vec::Vec;

use super::evaluate::each;
use crate::data::Dataset;
use crate::metrics::Roc;
use crate::{Error, Network, Spec, TargetKind, Targets};

/// The output that says where a picture lies, of a network that learns from pairs or triplets of pictures: it depends on the first
/// of two or three inputs alike, the others serve the loss.
fn embedding(spec: &Spec) -> Option<usize> {
    let [first, others @ ..] = spec.inputs else { return None };
    let alike = matches!(others.len(), 1 | 2) && others.iter().all(|input| input.shape == first.shape && !input.infers);
    let judges = match (others, spec.targets) {
        ([_], [same]) => same.kind == TargetKind::Float && same.image_len() == 1,
        ([_, _], []) => true,
        _ => false,
    };
    let output = spec.outputs.iter().position(|output| output.shape.len() == 1);
    output.filter(|_| first.infers && alike && judges)
}

/// Compares the pairs of a data set, as it draws them without augmentation, by the distances of their embeddings: of three pictures
/// the first with the second, which is of its class, and with the third, which is not. `None` for networks that compare no embeddings,
/// and for data without pairs of both kinds.
///
/// # Errors
/// Where the network refuses a picture, or one cannot be read.
pub fn verify(network: &mut dyn Network, data: &Dataset, size: usize) -> Result<Option<Roc>, Error> {
    let spec = network.spec();
    let Some(output) = embedding(spec) else { return Ok(None) };
    let threads = network.memory().pool.threads();
    let (mut scores, mut same) = (Vec::new(), Vec::new());
    each(data, spec, size, threads, |batch, numbers| {
        let (count, inputs) = (numbers.len(), batch.inputs());
        let mut places = Vec::new();
        for input in &inputs {
            network.infer(count, &vec![*input; inputs.len()])?;
            places.push(network.output(output).to_vec());
        }
        let mut compare = |other: &[f32], is_same: &mut dyn FnMut(usize) -> bool| {
            let len = other.len() / count;
            for (i, (a, b)) in places[0].chunks_exact(len).zip(other.chunks_exact(len)).enumerate() {
                scores.push(-distance(a, b));
                same.push(is_same(i));
            }
        };
        match (&places[1..], &batch.targets()[..]) {
            ([positive, negative], _) => {
                compare(positive, &mut |_| true);
                compare(negative, &mut |_| false);
            }
            ([other], [Targets::Floats(wanted)]) => compare(other, &mut |i| wanted[i] >= 0.5),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Roc::new(&scores, &same))
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TargetValues;
    use crate::testing::points::{PAIRS, Points, TRIPLETS};

    #[test]
    fn embeddings_of_pairs_and_triplets_are_compared() {
        // The network passes numbers on. Same pairs are 1, 2 and 5 apart, different ones 3, 4 and 6.
        let left = vec![0.0; 6];
        let right = vec![1.0, 3.0, 2.0, 4.0, 5.0, 6.0];
        let wanted = TargetValues::Floats(vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        let pairs = Dataset::in_memory(&PAIRS, vec![left, right], vec![wanted]).expect("pairs");
        let roc = verify(&mut Points::new(&PAIRS, 4), &pairs, 4).expect("a pass").expect("both kinds");
        assert!((roc.auc() - 7.0 / 9.0).abs() < 1e-12, "{}", roc.auc());

        let (anchor, positive, negative) = (vec![0.0; 3], vec![1.0, -2.0, 5.0], vec![3.0, -4.0, 6.0]);
        let triplets = Dataset::in_memory(&TRIPLETS, vec![anchor, positive, negative], Vec::new()).expect("triplets");
        let other = verify(&mut Points::new(&TRIPLETS, 4), &triplets, 2).expect("a pass").expect("both kinds");
        assert_eq!(other, roc);
    }

    #[test]
    fn other_networks_are_not_judged_by_embeddings() {
        assert_eq!(embedding(&crate::testing::SPEC), None);
        assert_eq!(embedding(&TRIPLETS), Some(0));
    }
}
