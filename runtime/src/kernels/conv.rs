//! What convolutions do beside products: depthwise planes and sums over channels.

use super::Window;
use crate::Batch;
use crate::isa::per_isa;

/// Calls `f(output row start, columns, input start, weight)` for each window element over each output row it reaches.
#[inline(always)]
fn rows(window: &Window, mut f: impl FnMut(usize, usize, usize, usize)) {
    let [depths, heights, widths] = window.kernel;
    let mut element = 0;
    for d in 0..depths {
        for h in 0..heights {
            for w in 0..widths {
                let (from, end) = window.inside(2, w);
                for od in 0..window.output[0] {
                    for oh in 0..window.output[1] {
                        let (Some(depth), Some(height)) = (window.at(0, od, d), window.at(1, oh, h)) else { continue };
                        if from < end {
                            let input = (depth * window.input[1] + height) * window.input[2];
                            let start = input + from * window.stride[2] + w * window.dilation[2] - window.pad[2];
                            f((od * window.output[1] + oh) * window.output[2] + from, end - from, start, element);
                        }
                    }
                }
                element += 1;
            }
        }
    }
}

per_isa! {
    /// Convolves each of some planes with a window of its own and adds its bias.
    pub fn depthwise(window: &Window, planes: usize, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let (input, output, len) = (window.input_len(), window.output_len(), window.len());
        for plane in 0..planes {
            let (x, w) = (&x[plane * input..][..input], &w[plane * len..][..len]);
            let y = &mut y[plane * output..][..output];
            y.fill(bias.map_or(0.0, |b| b[plane]));
            rows(window, |out, columns, start, element| {
                let (y, x, w) = (&mut y[out..out + columns], &x[start..], w[element]);
                if window.stride[2] == 1 {
                    for (y, x) in y.iter_mut().zip(x) {
                        *y += w * x;
                    }
                } else {
                    for (y, x) in y.iter_mut().zip(x.iter().step_by(window.stride[2])) {
                        *y += w * x;
                    }
                }
            });
        }
    }

    /// The gradient of [`depthwise`](Self::depthwise) by its input.
    pub fn depthwise_grad_input(window: &Window, planes: usize, w: &[f32], dy: &[f32], dx: &mut [f32]) {
        let (input, output, len) = (window.input_len(), window.output_len(), window.len());
        dx.fill(0.0);
        for plane in 0..planes {
            let (dy, w) = (&dy[plane * output..][..output], &w[plane * len..][..len]);
            let dx = &mut dx[plane * input..][..input];
            rows(window, |out, columns, start, element| {
                let (dy, dx, w) = (&dy[out..out + columns], &mut dx[start..], w[element]);
                if window.stride[2] == 1 {
                    for (dx, dy) in dx.iter_mut().zip(dy) {
                        *dx += w * dy;
                    }
                } else {
                    for (dx, dy) in dx.iter_mut().step_by(window.stride[2]).zip(dy) {
                        *dx += w * dy;
                    }
                }
            });
        }
    }

    /// Sums of `y.len()` channels from `first` over images and space, `places` elements each.
    pub fn channel_sum(dy: Batch<'_>, first: usize, places: usize, y: &mut [f32]) {
        for (channel, y) in y.iter_mut().enumerate() {
            let from = (first + channel) * places;
            let mut sum = 0.0_f64;
            for image in dy.images() {
                // Sixteen sums side by side vectorise; in f64 the order does not show.
                let mut lanes = [0.0_f32; 16];
                let chunks = image[from..from + places].chunks_exact(16);
                let rest: f32 = chunks.remainder().iter().sum();
                for chunk in chunks {
                    for (lane, x) in lanes.iter_mut().zip(chunk) {
                        *lane += x;
                    }
                }
                sum += f64::from(lanes.iter().sum::<f32>() + rest);
            }
            *y = sum as f32;
        }
    }
}

#[cfg(test)]
mod tests;
