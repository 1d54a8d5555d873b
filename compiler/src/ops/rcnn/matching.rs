//! Which boxes are examples of objects, which of none, and how much each counts.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

/// How boxes become examples.
///
/// The papers draw a sample of each image, with at most a share of positive examples. Here all examples count, each as much as
/// it does in the mean over all samples that could be drawn: the expected loss, and the same for the same image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Matching {
    /// Boxes that share this with an object are positive examples.
    pub positive: f64,
    /// Others are negative examples if what they share is from the first to below the second.
    pub negative: [f64; 2],
    /// Examples of a sample.
    pub sample: usize,
    /// The share of positive ones in it, at most.
    pub share: f64,
    /// The weight of places.
    pub balance: f64,
}

impl Matching {
    /// What a positive example counts, and a negative one.
    pub fn weights(&self, positives: usize, negatives: usize) -> (f64, f64) {
        let (p, n, size) = (positives as f64, negatives as f64, self.sample as f64);
        let drawn = p.min(size * self.share);
        let others = n.min(size - drawn);
        let total = (drawn + others).max(1.0);
        (drawn / p.max(1.0) / total, others / n.max(1.0) / total)
    }

    /// The runtime's description.
    pub fn tokens(&self) -> TokenStream {
        let numbers = [self.positive, self.negative[0], self.negative[1], self.sample as f64, self.share, self.balance];
        let [positive, low, high, sample, share, balance] = numbers.map(|n| n as f32);
        quote! {
            rt::Matching {
                positive: #positive,
                negative: [#low, #high],
                sample: #sample,
                share: #share,
                balance: #balance,
            }
        }
    }
}
