//! Pictures as networks from Caffe take them: blue, green and red from 0 to 255, less the means of ImageNet.

use std::path::PathBuf;

use cnnc_runtime::data::Raster;

use crate::shipped;

/// What is taken from blue, green and red.
const MEANS: [f32; 3] = [104.0, 117.0, 123.0];

/// The weights of the part of SqueezeNet 1.0 that ships, up to its module fire6.
pub fn squeezenet() -> PathBuf {
    shipped("models/squeezenet1_0_features/squeezenet1_0_features.safetensors")
}

/// The input `[3, height, width]` of a picture.
pub fn to_input(picture: &Raster) -> Vec<f32> {
    let picture = picture.with_channels(3);
    let channel = |c: usize| picture.bytes.iter().skip(2 - c).step_by(3).map(move |byte| f32::from(*byte) - MEANS[c]);
    (0..3).flat_map(channel).collect()
}

/// The picture of an input `[3, height, width]`; what is too dark or too bright is cut off.
pub fn to_picture(input: &[f32], height: usize, width: usize) -> Raster {
    let pixels = height * width;
    let byte = |i: usize| {
        let c = 2 - i % 3;
        (input[c * pixels + i / 3] + MEANS[c]).round() as u8
    };
    Raster { width, height, channels: 3, bytes: (0..3 * pixels).map(byte).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back() {
        let picture = Raster { width: 2, height: 1, channels: 3, bytes: vec![1, 2, 3, 250, 251, 252] };
        let input = to_input(&picture);
        assert_eq!(input, [3.0 - 104.0, 252.0 - 104.0, 2.0 - 117.0, 251.0 - 117.0, 1.0 - 123.0, 250.0 - 123.0]);
        assert_eq!(to_picture(&input, 1, 2), picture);
    }
}
