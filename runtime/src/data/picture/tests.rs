use super::*;
use crate::testing::Folder;

/// Eight by eight grey pixels of value 200, written by hand: one quantised coefficient, (200 - 128) * 8 / 8 = 72, with
/// Huffman tables of one code each.
fn jpeg() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    bytes.extend([8; 64]);
    bytes.extend([0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    for (table, symbol) in [(0x00, 7), (0x10, 0)] {
        bytes.extend([0xff, 0xc4, 0, 20, table, 1]);
        bytes.extend([0; 15]);
        bytes.push(symbol);
    }
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0b0100_1000, 0b0111_1111, 0xff, 0xd9]);
    bytes
}

fn read(bytes: &[u8]) -> Result<Raster, String> {
    let folder = Folder::new("picture");
    let path = folder.path("x");
    std::fs::write(&path, bytes).expect("written");
    Raster::read(&path).map_err(|e| e.message)
}

fn png_bytes(color: png::ColorType, depth: png::BitDepth, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
    }
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(pixels).expect("pixels");
    writer.finish().expect("an end");
    bytes
}

#[test]
fn png_files_of_all_kinds_are_read() {
    use png::{BitDepth, ColorType};
    let cases: [(_, _, &[u8], usize, &[u8]); 7] = [
        (ColorType::Grayscale, BitDepth::Eight, &[7, 9], 1, &[7, 9]),
        (ColorType::Grayscale, BitDepth::One, &[0b0100_0000], 1, &[0, 255]),
        (ColorType::Grayscale, BitDepth::Sixteen, &[7, 99, 9, 99], 1, &[7, 9]),
        (ColorType::Rgb, BitDepth::Eight, &[1, 2, 3, 4, 5, 6], 3, &[1, 2, 3, 4, 5, 6]),
        (ColorType::Indexed, BitDepth::Eight, &[1, 0], 3, &[4, 5, 6, 1, 2, 3]),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, &[7, 255, 7, 0], 1, &[7, 255]),
        (ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255, 0, 0, 0, 51], 3, &[1, 2, 3, 204, 204, 204]),
    ];
    for (color, depth, pixels, channels, expected) in cases {
        let raster = read(&png_bytes(color, depth, pixels)).expect("a picture");
        assert_eq!(raster, Raster { width: 2, height: 1, channels, bytes: expected.to_vec() });
    }
}

#[test]
fn jpeg_files_are_read() {
    let raster = read(&jpeg()).expect("a picture");
    assert_eq!((raster.width, raster.height, raster.channels), (8, 8, 1));
    assert!(raster.bytes.iter().all(|&byte| byte.abs_diff(200) <= 1), "{:?}", raster.bytes);
    let grey = raster.to_input(&[1, 2, 2], &Picture::default()).expect("an input");
    assert!(grey.iter().all(|x| (x - 200.0 / 255.0).abs() < 0.01));
}

#[test]
fn damaged_pictures_are_errors() {
    let png = png_bytes(png::ColorType::Rgb, png::BitDepth::Eight, &[1; 6]);
    assert!(read(b"hello!").expect_err("no picture").starts_with("this is neither a PNG nor a JPEG file"));
    assert!(read(b"GIF89a").expect_err("cut off").starts_with("damaged GIF"));
    for bytes in [png, jpeg()] {
        for cut in 4..bytes.len() {
            let _ = read(&bytes[..cut]);
        }
        assert!(read(&bytes[..20]).expect_err("cut off").starts_with("damaged"));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let _ = read(&damaged);
        }
    }
}

#[test]
fn pictures_are_normalised_and_inverted() {
    let raster = Raster { width: 2, height: 1, channels: 1, bytes: vec![0, 255] };
    let picture = Picture { mean: vec![0.5], std: vec![0.25], invert: true };
    assert_eq!(raster.to_input(&[1, 1, 2], &picture).expect("an input"), [2.0, -2.0]);
    let picture = Picture { mean: vec![0.0, 0.5, 1.0], std: vec![1.0], invert: false };
    assert_eq!(raster.to_input(&[3, 1, 2], &picture).expect("an input"), [0.0, 1.0, -0.5, 0.5, -1.0, 0.0]);
    let color = Raster { width: 1, height: 1, channels: 3, bytes: vec![255, 0, 0] };
    assert_eq!(color.to_input(&[1, 1, 1], &Picture::default()).expect("an input"), [0.299]);

    let complaint = |picture: &Picture| raster.to_input(&[1, 1, 2], picture).expect_err("a complaint");
    assert!(complaint(&Picture { std: vec![0.0], ..Picture::default() }).contains("must be above 0"));
    assert!(complaint(&Picture { mean: vec![0.0; 3], ..Picture::default() }).contains("`mean` has 3 numbers"));
    assert!(raster.to_input(&[10], &Picture::default()).expect_err("no picture").contains("is no picture"));
}

#[test]
fn resizing_is_a_widened_triangle() {
    let ramp: Vec<f32> = (0..8).map(|i| i as f32).collect();
    // Halving: each new pixel reaches over four old ones with weights 1 3 3 1, cut off and weighted anew at the ends.
    let half = resize(&ramp, (1, 8), (1, 4));
    let expected = [5.0 / 7.0, 2.5, 4.5, 44.0 / 7.0];
    assert!(half.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{half:?}");
    let double = resize(&[0.0, 1.0], (2, 1), (4, 1));
    assert_eq!(double, [0.0, 0.25, 0.75, 1.0]);
    let flat = resize(&vec![0.5; 37 * 23], (37, 23), (28, 28));
    assert!(flat.iter().all(|x| (x - 0.5).abs() < 1e-6));
    assert_eq!(resize(&[3.0], (1, 1), (2, 3)), [3.0; 6]);
}

#[test]
fn tensors_become_png_files() {
    let folder = Folder::new("png");
    let path = folder.path("x.png");
    let raster = Raster::from_tensor(&[-1.0, 1.0, 0.0, 9.0, 0.5, -1.0], &[3, 1, 2], (-1.0, 1.0)).expect("a picture");
    raster.write_png(&path).expect("written");
    assert_eq!(Raster::read(&path).expect("a picture"), raster);
    assert_eq!(raster.bytes, [0, 128, 191, 255, 255, 0]);
    assert!(Raster::from_tensor(&[0.0; 4], &[2, 2], (0.0, 1.0)).is_err());
}

#[test]
fn parts_reach_over_the_sides() {
    let raster = Raster { width: 3, height: 2, channels: 1, bytes: vec![1, 2, 3, 4, 5, 6] };
    assert_eq!(raster.part(1, 0, 2, 2).bytes, [2, 3, 5, 6]);
    assert_eq!(raster.part(-1, 1, 3, 2).bytes, [0, 4, 5, 0, 0, 0]);
}

#[test]
fn what_fills_a_size_keeps_its_shape() {
    let raster = Raster { width: 4, height: 2, channels: 1, bytes: vec![1, 2, 3, 4, 5, 6, 7, 8] };
    assert_eq!(raster.filling(2, 2).bytes, [2, 3, 6, 7]);
    assert_eq!(raster.filling(4, 2), raster);
    assert_eq!(raster.filling(4, 1).bytes.len(), 4);
}

#[test]
fn a_turn_puts_the_left_side_on_top() {
    let raster = Raster { width: 3, height: 2, channels: 1, bytes: vec![1, 2, 3, 4, 5, 6] };
    let turned = raster.turned();
    assert_eq!((turned.width, turned.height), (2, 3));
    assert_eq!(turned.bytes, [4, 1, 5, 2, 6, 3]);
    assert_eq!(turned.turned().turned().turned(), raster);
}

#[test]
fn parts_are_read_between_pixels() {
    let small = Raster { width: 3, height: 2, channels: 1, bytes: vec![0, 10, 20, 100, 110, 120] };
    let part = |x1, y1, x2, y2, width, height| small.resized_crop(&Corners { x1, y1, x2, y2 }, width, height).bytes;
    assert_eq!(part(0.0, 0.0, 3.0, 2.0, 3, 2), small.bytes);
    assert_eq!(part(0.5, 0.5, 2.5, 1.5, 2, 1), [55, 65]);
    // Beyond the sides they go on.
    assert_eq!(part(-4.0, 0.0, 0.0, 1.0, 2, 1), [0, 0]);
}
