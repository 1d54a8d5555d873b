//! Which pixels an answer depends on: the gradient of a class's score by the picture.

cnnc_macros::net!("nets/saliency.net");

use cnnc_examples::{Common, Result, Table, at_least, best, percent, say, shipped};
use cnnc_runtime::data::{Picture, Raster};
use cnnc_runtime::random::Random;
use cnnc_runtime::weights::{self, Lenience};
use cnnc_runtime::{Options, draw};

/// Pixels of a side.
const SIZE: usize = 32;
/// Pictures with noise that a smooth map is the mean of, and the deviation of the noise, as a share of what values span (Smilkov et al. 2017,
/// "SmoothGrad").
const NOISY: usize = 32;
const NOISE: f32 = 0.1 / 0.226;

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Parts of photos that ship and show something of CIFAR-10: file, left, top, side, and what it is.
const PARTS: [(&str, i64, i64, usize, &str); 4] = [
    ("photos/chelsea.png", 75, 0, 300, "cat"),
    ("photos/dog.jpg", 90, 200, 300, "dog"),
    ("photos/dog.jpg", 450, 50, 240, "automobile"),
    ("photos/person.jpg", 370, 130, 230, "horse"),
];

type Input = [f32; 3 * SIZE * SIZE];

/// Writes a row for each picture: itself, the gradient, the smooth gradient, and that over the picture.
pub fn show(common: &Common) -> Result<()> {
    let mut net = Saliency::with_options(&Options { batch: NOISY, ..Options::default() });
    let file = shipped("models/resnet20_cifar10/resnet20_cifar10.safetensors");
    // The file has no change of the picture: that stays zero.
    weights::load_with(&mut net, file, Lenience { missing: true, ..Lenience::default() })?;
    let scale = Picture { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225], ..Picture::default() };
    let mut table = Table::new(&["part of a photo", "ResNet-20 says", "how sure"]);
    let mut cells = Vec::new();
    let mut right = 0;
    for (name, left, top, side, truth) in PARTS {
        let photo = Raster::read(&shipped(name))?.with_channels(3).part(left, top, side, side).stretched(SIZE, SIZE);
        let input: Input = photo.to_input(&[3, SIZE, SIZE], &scale)?.as_slice().try_into()?;
        let probabilities = net.infer(&input).probabilities;
        let class = best(probabilities);
        right += u8::from(CLASSES[class] == truth);
        table.row(&[&name, &CLASSES[class], &percent(f64::from(probabilities[class]))]);
        let plain = sensitivity(&mut net, &[input], class)?;
        let smooth = sensitivity(&mut net, &noisy(&input, common.seed), class)?;
        let [plain, smooth] = [plain, smooth].map(|values| draw::heat_map(&values, SIZE, SIZE));
        let over = draw::overlay(&photo, &smooth, 0.6);
        cells.extend([photo, plain, smooth, over].map(|picture| picture.enlarged(5)));
    }
    say!("\n{table}");
    let what = "pictures, the gradient of the score by their pixels, its mean over noise, and that over the picture";
    common.write_picture("visualize/saliency.png", &draw::sheet(&cells, 4, 6), what)?;
    common.check(&[at_least("parts of photos that ResNet-20 names right, of 4", right.into(), 4.0)])
}

/// How much each pixel moves a score, over several pictures: of its colours' gradients the largest.
fn sensitivity(net: &mut Saliency, inputs: &[Input], class: usize) -> Result<Vec<f32>> {
    let mut asked = [0.0; 10];
    asked[class] = 1.0;
    net.forward_backward(inputs, &vec![asked; inputs.len()], None)?;
    let gradient = net.gradient("change.weight").ok_or("the network has no change of its picture")?;
    let pixels = SIZE * SIZE;
    let largest = |i: usize| (0..3).map(|c| gradient[c * pixels + i].abs()).fold(0.0, f32::max);
    Ok((0..pixels).map(largest).collect())
}

/// The picture with noise, many times.
fn noisy(input: &Input, seed: u64) -> Vec<Input> {
    let mut random = Random::named(seed, "noise");
    // Twelve uniform numbers add up to a nearly normal one, of variance 1.
    let mut normal = || (0..12).map(|_| random.unit()).sum::<f32>() - 6.0;
    (0..NOISY).map(|_| input.map(|x| x + NOISE * normal())).collect()
}
