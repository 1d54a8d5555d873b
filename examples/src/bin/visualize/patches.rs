//! The patches of photos to which units answer the most, and what in them they answer to.

cnnc_macros::net!("nets/deconv.net", infer_only);

use cnnc_examples::{Common, Result, Table, caffe, progress, say};
use cnnc_runtime::data::Raster;
use cnnc_runtime::{Network, draw, weights};

/// Pixels of a side of what the network sees.
const SIZE: usize = 227;
/// Of each layer so many units, of each unit so many patches, each shown at so many pixels.
const UNITS: usize = 8;
const PATCHES: usize = 4;
const SHOWN: usize = 72;

/// A layer and which pixels its places see: that at `(row, column)` sees `field` pixels from `jump * row - before` on, likewise for columns.
struct Layer {
    name: &'static str,
    side: usize,
    jump: usize,
    before: usize,
    field: usize,
}

/// In the order of the network's outputs, and of its inputs after the picture.
const LAYERS: [Layer; 6] = [
    Layer { name: "conv1", side: 111, jump: 2, before: 0, field: 7 },
    Layer { name: "fire2", side: 55, jump: 4, before: 4, field: 19 },
    Layer { name: "fire3", side: 55, jump: 4, before: 8, field: 27 },
    Layer { name: "fire4", side: 55, jump: 4, before: 12, field: 35 },
    Layer { name: "fire5", side: 27, jump: 8, before: 20, field: 59 },
    Layer { name: "fire6", side: 27, jump: 8, before: 28, field: 75 },
];

impl Layer {
    /// Of a picture, what a place sees.
    fn patch(&self, picture: &Raster, place: usize) -> Raster {
        let start = |i: usize| (self.jump * i) as i64 - self.before as i64;
        picture.part(start(place % self.side), start(place / self.side), self.field, self.field).stretched(SHOWN, SHOWN)
    }
}

/// The strongest answer of a unit in a view.
#[derive(Clone, Copy)]
struct Peak {
    view: usize,
    /// Row by row.
    place: usize,
    value: f32,
}

/// Writes the filters of the first layer, and a picture for each layer.
pub fn show(common: &Common, photos: &[Raster]) -> Result<()> {
    let mut net = Deconv::new(0);
    weights::load(&mut net, caffe::squeezenet())?;
    common.write_picture(
        "visualize/filters.png",
        &filters(&net)?,
        "the 96 filters of the first layer, 7×7 in colour",
    )?;

    let views: Vec<Raster> = photos.iter().flat_map(views).collect();
    let peaks = peaks(&mut net, &views)?;
    say!("{} views of {} photos", views.len(), photos.len());
    let mut table = Table::new(&["layer", "units", "never active", "a place sees", "shown units"]);
    for (number, layer) in LAYERS.iter().enumerate() {
        let units = outstanding(&peaks[number]);
        let silent = peaks[number].iter().filter(|of_unit| of_unit.iter().all(|peak| peak.value == 0.0)).count();
        let field = format!("{0}×{0}", layer.field);
        table.row(&[&layer.name, &peaks[number].len(), &silent, &field, &format!("{units:?}")]);
        let mut cells = Vec::new();
        for unit in units {
            for peak in strongest(&peaks[number][unit], photos.len()) {
                cells.push(layer.patch(&views[peak.view], peak.place));
                let place = unit * layer.side * layer.side + peak.place;
                cells.push(layer.patch(&pattern(&mut net, &views[peak.view], number, place)?, peak.place));
            }
        }
        let name = format!("visualize/{}.png", layer.name);
        common.write_picture(
            &name,
            &draw::sheet(&cells, 2 * PATCHES, 4),
            "a row for each unit: patches, and what it answers to",
        )?;
    }
    say!("\n{table}");
    Ok(())
}

/// The filters of the first layer in colour: the network has blue first.
fn filters(net: &Deconv) -> Result<Raster> {
    let weights = net.param("features.0.weight").ok_or("the network has no first layer")?;
    let red_first = |filter: &[f32]| filter.rchunks_exact(49).flatten().copied().collect::<Vec<f32>>();
    let filters: Vec<f32> = weights.chunks_exact(3 * 49).flat_map(red_first).collect();
    Ok(draw::filters(&filters, &[96, 3, 7, 7], 6)?)
}

/// What the network sees of a photo: the whole of it around the middle, and its four quarters.
fn views(photo: &Raster) -> Vec<Raster> {
    let (width, height) = (photo.width / 2, photo.height / 2);
    let quarters = [(0, 0), (width, 0), (0, height), (width, height)];
    let quarter = |(left, top): (usize, usize)| photo.part(left as i64, top as i64, width, height);
    std::iter::once(photo.clone())
        .chain(quarters.map(quarter))
        .map(|view| view.with_channels(3).filling(SIZE, SIZE))
        .collect()
}

/// For each layer and unit its peak in each view.
fn peaks(net: &mut Deconv, views: &[Raster]) -> Result<Vec<Vec<Vec<Peak>>>> {
    let mut peaks: Vec<Vec<Vec<Peak>>> = LAYERS.iter().map(|_| Vec::new()).collect();
    let bar = progress("views", views.len());
    for (view, picture) in views.iter().enumerate() {
        run(net, picture, None)?;
        for (number, layer) in LAYERS.iter().enumerate() {
            let maps = net.output(number).chunks_exact(layer.side * layer.side);
            peaks[number].resize(maps.len(), Vec::new());
            for (of_unit, map) in peaks[number].iter_mut().zip(maps) {
                let (place, value) =
                    map.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
                of_unit.push(Peak { view, place, value });
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(peaks)
}

/// The units whose strongest answer stands out the most from their mean one.
fn outstanding(peaks: &[Vec<Peak>]) -> Vec<usize> {
    let contrast = |of_unit: &[Peak]| {
        let highest = of_unit.iter().map(|peak| peak.value).fold(0.0, f32::max);
        highest / (of_unit.iter().map(|peak| peak.value).sum::<f32>() / of_unit.len() as f32).max(f32::MIN_POSITIVE)
    };
    let mut units: Vec<usize> = (0..peaks.len()).collect();
    units.sort_by(|a, b| contrast(&peaks[*b]).total_cmp(&contrast(&peaks[*a])));
    units.truncate(UNITS);
    units
}

/// The strongest peaks of a unit, one of each photo as long as there are enough photos.
fn strongest(peaks: &[Peak], photos: usize) -> Vec<Peak> {
    let mut peaks = peaks.to_vec();
    peaks.sort_by(|a, b| b.value.total_cmp(&a.value));
    let views_of_photo = peaks.len() / photos.max(1);
    let mut chosen: Vec<Peak> = Vec::new();
    for peak in &peaks {
        let known = chosen.iter().any(|other| other.view / views_of_photo == peak.view / views_of_photo);
        if chosen.len() < PATCHES && (!known || photos < PATCHES) {
            chosen.push(*peak);
        }
    }
    chosen
}

/// What of a view one place of all maps of a layer answers to, from the lowest (dark) to the highest; grey is nothing.
fn pattern(net: &mut Deconv, view: &Raster, layer: usize, place: usize) -> Result<Raster> {
    run(net, view, Some((layer, place)))?;
    let pattern = net.output(LAYERS.len());
    let most = pattern.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let red_first: Vec<f32> = pattern.rchunks_exact(SIZE * SIZE).flatten().copied().collect();
    Ok(Raster::from_tensor(&red_first, &[3, SIZE, SIZE], (-most, most))?)
}

/// Runs the network over a view, with at most one place chosen.
fn run(net: &mut Deconv, view: &Raster, chosen: Option<(usize, usize)>) -> Result<()> {
    let mut inputs: Vec<Vec<f32>> = net.spec().inputs.iter().map(|input| vec![0.0; input.image_len()]).collect();
    inputs[0] = caffe::to_input(view);
    if let Some((layer, place)) = chosen {
        inputs[1 + layer][place] = 1.0;
    }
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    Ok(Network::infer(net, 1, &inputs)?)
}
