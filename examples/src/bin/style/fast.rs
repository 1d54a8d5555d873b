//! Networks that paint in one pass, each trained for one painting (Johnson et al. 2016).

cnnc_macros::net!("../specs/zoo/style.net", size = 256, infer_only);

use std::path::Path;

use cnnc_examples::{Common, Result, Table, say};
use cnnc_runtime::data::{Picture, Raster};
use cnnc_runtime::{draw, weights};

/// Pixels of a side, as the network above is compiled for.
const SIZE: usize = 256;

/// Paints the picture that the published results are of by each published network, and says how far from these it is at most, of 255.
pub fn paint(common: &Common, data: &Path) -> Result<u8> {
    let photo = Raster::read(&data.join("style/content_stata_256.png"))?;
    // The networks take values from 0 to 255.
    let input = photo.to_input(&[3, SIZE, SIZE], &Picture { std: vec![1.0 / 255.0], ..Picture::default() })?;
    let input = input.as_slice().try_into()?;
    let mut net = Style::new(0);
    let mut table = Table::new(&["fast network", "largest difference to the published picture, of 255"]);
    let (mut pictures, mut most) = (vec![photo], 0);
    for name in ["style_wave", "style_scream"] {
        let folder = data.join("models").join(name);
        weights::load(&mut net, folder.join(format!("{name}.safetensors")))?;
        let painted = Raster::from_tensor(net.infer(input).pixels, &[3, SIZE, SIZE], (0.0, 255.0))?;
        let published = Raster::read(&folder.join("golden_256.png"))?.with_channels(3);
        let difference = largest_difference(&painted, &published);
        most = most.max(difference);
        table.row(&[&name, &difference]);
        pictures.push(painted);
    }
    say!("\n{table}");
    common.write_picture(
        "style/fast.png",
        &draw::sheet(&pictures, 3, 8),
        "a photo; in the style of two paintings, in one pass",
    )?;
    Ok(most)
}

fn largest_difference(a: &Raster, b: &Raster) -> u8 {
    a.bytes.iter().zip(&b.bytes).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
