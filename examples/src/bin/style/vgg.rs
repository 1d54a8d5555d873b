//! The network of the paper, VGG-19. It takes minutes to compile, so only `--features vgg` has it.

cnnc_macros::net!("../specs/style.net", size = 256, beta = 1e6, smooth = 0.1);

use std::path::Path;

use cnnc_examples::{Common, Result};
use cnnc_runtime::data::{Picture, Raster};
use cnnc_runtime::draw;
use cnnc_runtime::optimizer::{Adam, Lbfgs};
use cnnc_runtime::weights::{self, Lenience};

use super::gatys::{curves, paint};

/// Pixels of a side, as the network above is compiled for.
const SIZE: usize = 256;

/// What ImageNet's photos have taken out: means and deviations of red, green and blue from 0 to 1.
const MEANS: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATIONS: [f32; 3] = [0.229, 0.224, 0.225];

/// Paints by torchvision's weights of VGG-19.
pub fn program(common: &Common, file: &Path, photo: &Raster, painting: &Raster) -> Result<()> {
    let mut net = Style::new(0);
    // The file has the classifier, too, and lacks the picture.
    weights::load_with(&mut net, file, Lenience { missing: true, unexpected: true, ..Lenience::default() })?;
    let shape = [3, SIZE, SIZE];
    let [photo, painting] = [photo, painting].map(|picture| picture.filling(SIZE, SIZE));
    let scale = Picture { mean: MEANS.to_vec(), std: DEVIATIONS.to_vec(), ..Picture::default() };
    let inputs = [photo.to_input(&shape, &scale)?, painting.to_input(&shape, &scale)?];
    let steps = common.scaled(150, 2);
    let adam = paint(&mut net, &inputs, Adam { learning_rate: 0.05, ..Adam::default() }, steps)?;
    let lbfgs = paint(&mut net, &inputs, Lbfgs::default(), steps)?;
    let picture = |values: &[f32]| {
        let byte = |(i, x): (usize, &f32)| x * DEVIATIONS[i / (SIZE * SIZE)] + MEANS[i / (SIZE * SIZE)];
        Raster::from_tensor(&values.iter().enumerate().map(byte).collect::<Vec<f32>>(), &shape, (0.0, 1.0))
    };
    let pictures = [photo, painting, picture(&adam.image)?, picture(&lbfgs.image)?];
    common.write_text("style/vgg.svg", &curves(&[("Adam", &adam), ("L-BFGS", &lbfgs)]), "how the losses fall")?;
    common.write_picture(
        "style/vgg.png",
        &draw::sheet(&pictures, 2, 8),
        "photo and painting; painted by Adam and by L-BFGS",
    )
}
