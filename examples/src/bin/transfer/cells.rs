//! Blood cells, cut out of microscope pictures by their boxes.

use std::path::Path;

use cnnc_examples::Result;
use cnnc_runtime::boxes::Corners;
use cnnc_runtime::data::{Picture, Raster};
use cnnc_runtime::random::Random;

/// What the cells are.
pub const KINDS: [&str; 3] = ["RBC", "WBC", "Platelets"];

/// Pixels of a side, as ResNet-20 takes them.
const SIDE: usize = 32;

/// As many cells of each kind.
pub struct Cells {
    /// As they are in the pictures.
    pub pictures: Vec<Raster>,
    /// `[3, 32, 32]` each, scaled as CIFAR-10 was for the published network.
    pub pixels: Vec<f32>,
    /// Their kinds.
    pub labels: Vec<u32>,
}

/// A line of the table of boxes.
struct Line {
    file: String,
    kind: u32,
    place: Corners,
}

impl Cells {
    /// At most `most` of each kind out of a split of the pictures, drawn by the seed.
    pub fn read(folder: &Path, split: &str, most: usize, seed: u64) -> Result<Self> {
        let table = folder.join("boxes.csv");
        let text = std::fs::read_to_string(&table).map_err(|e| format!("cannot read {}: {e}", table.display()))?;
        let mut lines = Vec::new();
        for (number, line) in (2..).zip(text.lines().skip(1)) {
            let line = Line::parse(line, split).map_err(|what| format!("{}:{number}: {what}", table.display()))?;
            lines.extend(line);
        }
        Random::named(seed, split).shuffle(&mut lines);
        let of_kind = |kind: u32| lines.iter().filter(move |line| line.kind == kind);
        let most = (0..3).map(|kind| of_kind(kind).count()).min().unwrap_or(0).min(most);
        let mut cells = Self { pictures: Vec::new(), pixels: Vec::new(), labels: Vec::new() };
        let scale = Picture { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225], ..Picture::default() };
        for line in (0..3).flat_map(|kind| of_kind(kind).take(most)) {
            let picture = cut(&Raster::read(&folder.join("images").join(&line.file))?, &line.place);
            cells.pixels.extend(picture.to_input(&[3, SIDE, SIDE], &scale)?);
            cells.pictures.push(picture);
            cells.labels.push(line.kind);
        }
        Ok(cells)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// So many of each kind, drawn by the seed.
    pub fn draw(&self, of_each: usize, seed: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        Random::new(seed).shuffle(&mut order);
        let of_kind = |kind: u32| order.iter().copied().filter(move |i| self.labels[*i] == kind).take(of_each);
        (0..3).flat_map(of_kind).collect()
    }
}

impl Line {
    /// Reads `file,split,width,height,class,xmin,ymin,xmax,ymax`; `None` in another split.
    fn parse(line: &str, split: &str) -> std::result::Result<Option<Self>, String> {
        let fields: Vec<&str> = line.split(',').collect();
        let [file, of_split, _, _, kind, place @ ..] = &fields[..] else { return Err("too few fields".to_owned()) };
        if *of_split != split {
            return Ok(None);
        }
        let kind = KINDS.iter().position(|name| name == kind).ok_or_else(|| format!("`{kind}` is no kind of cell"))?;
        let place = place.iter().map(|number| number.parse().map_err(|_| format!("`{number}` is no number")));
        let [x1, y1, x2, y2] = place.collect::<std::result::Result<Vec<f32>, _>>()?[..] else {
            return Err("a box has four numbers".to_owned());
        };
        Ok(Some(Self { file: (*file).to_owned(), kind: kind as u32, place: Corners { x1, y1, x2, y2 } }))
    }
}

/// What is in a box, at least a pixel.
fn cut(picture: &Raster, place: &Corners) -> Raster {
    let within = |x: f32, most: usize| (x.round().max(0.0) as usize).min(most);
    let (left, top) = (within(place.x1, picture.width - 1), within(place.y1, picture.height - 1));
    let width = within(place.x2, picture.width).saturating_sub(left).max(1);
    let height = within(place.y2, picture.height).saturating_sub(top).max(1);
    let channels = picture.channels;
    let row = |y: usize| &picture.bytes[((top + y) * picture.width + left) * channels..][..width * channels];
    Raster { width, height, channels, bytes: (0..height).flat_map(row).copied().collect() }
}
