//! Softmax over channels.

use super::math::exp;
use crate::isa::per_isa;

per_isa! {
    /// Softmax over `channels`, for each place in space apart, in place.
    pub fn softmax(channels: usize, y: &mut [f32]) {
        let places = y.len() / channels;
        if places == 1 {
            let most = y.iter().fold(f32::NEG_INFINITY, |m, x| if *x > m { *x } else { m });
            for y in y.iter_mut() {
                *y = exp(*y - most);
            }
            let scale = 1.0 / y.iter().sum::<f32>();
            for y in y {
                *y *= scale;
            }
            return;
        }
        for place in 0..places {
            let column = || (0..channels).map(|c| c * places + place);
            let most = column().fold(f32::NEG_INFINITY, |m, i| if y[i] > m { y[i] } else { m });
            let mut sum = 0.0;
            for i in column() {
                y[i] = exp(y[i] - most);
                sum += y[i];
            }
            let scale = 1.0 / sum;
            for i in column() {
                y[i] *= scale;
            }
        }
    }

    /// The gradient of [`softmax`](Self::softmax), from its value `y`; `dx` holds the gradient that arrives.
    pub fn softmax_grad(channels: usize, y: &[f32], dx: &mut [f32]) {
        let places = y.len() / channels;
        for place in 0..places {
            let column = || (0..channels).map(|c| c * places + place);
            let dot: f32 = column().map(|i| y[i] * dx[i]).sum();
            for i in column() {
                dx[i] = y[i] * (dx[i] - dot);
            }
        }
    }
}
