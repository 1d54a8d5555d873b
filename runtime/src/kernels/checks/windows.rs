//! Random windows, and what their elements see.

use proptest::prelude::*;

use crate::kernels::Window;

/// A window of nothing but ones.
const ONE: Window =
    Window { input: [1; 3], output: [1; 3], kernel: [1; 3], stride: [1; 3], pad: [0; 3], dilation: [1; 3] };

/// Windows with all that convolutions have: size, stride, padding, dilation.
pub fn windows() -> impl Strategy<Value = Window> {
    let axis = (1_usize..7, 1_usize..4, 1_usize..4, 0_usize..3, 1_usize..3);
    prop::collection::vec(axis, 3).prop_filter_map("fits", |axes| {
        let mut window = ONE;
        for (i, (input, kernel, stride, pad, dilation)) in axes.into_iter().enumerate() {
            let reach = dilation * (kernel - 1) + 1;
            (window.input[i], window.kernel[i], window.stride[i]) = (input, kernel, stride);
            (window.pad[i], window.dilation[i]) = (pad, dilation);
            window.output[i] = (input + 2 * pad).checked_sub(reach)? / stride + 1;
        }
        Some(window)
    })
}

/// Windows with all that pools have: padding before and after, a last partly covered window; and the ends of the padded
/// input.
pub fn pool_windows() -> impl Strategy<Value = (Window, [usize; 3])> {
    let axis = (1_usize..9, 1_usize..4, 1_usize..4, 0_usize..3, 0_usize..3, 1_usize..3, any::<bool>());
    // The last axis is sometimes longer than a run.
    let long = (1_usize..200, 1_usize..4, 1_usize..4, 0_usize..3, 0_usize..3, 1_usize..3, any::<bool>());
    (axis.clone(), axis.clone(), prop_oneof![axis, long]).prop_filter_map("fits", |(depth, height, width)| {
        let (mut window, mut end) = (ONE, [0; 3]);
        for (i, (input, kernel, stride, before, after, dilation, ceil)) in
            [depth, height, width].into_iter().enumerate()
        {
            let reach = dilation * (kernel - 1) + 1;
            if before >= reach || after >= reach {
                return None;
            }
            (window.input[i], window.kernel[i], window.stride[i]) = (input, kernel, stride);
            (window.pad[i], window.dilation[i], end[i]) = (before, dilation, input + before + after);
            let room = end[i].checked_sub(reach)?;
            window.output[i] = room / stride + 1;
            let partly = ceil && room % stride != 0 && window.output[i] * stride < input + before;
            window.output[i] += usize::from(partly);
        }
        Some((window, end))
    })
}

/// The input that an element of the window of an output sees, if it is inside.
pub fn seen(window: &Window, output: usize, element: usize) -> Option<usize> {
    let (o, k) = (window.output, window.kernel);
    let out = [output / (o[1] * o[2]), output / o[2] % o[1], output % o[2]];
    let at = [element / (k[1] * k[2]), element / k[2] % k[1], element % k[2]];
    let mut index = 0;
    for axis in 0..3 {
        index = index * window.input[axis] + window.at(axis, out[axis], at[axis])?;
    }
    Some(index)
}
