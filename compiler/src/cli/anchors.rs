//! `cnnc anchors`: typical sizes of the boxes of a recipe.

use cnnc_runtime::boxes::{Corners, Shape, anchors};
use cnnc_runtime::harness::collect;

use super::arguments::Anchors;
use super::augment::input_size;
use super::recipe::Recipe;
use super::{Done, Failed, print};

/// The search ends in another place from another start; the best of so many is taken.
const STARTS: u64 = 8;

/// Prints anchors as specs have them, and how well they fit.
pub fn find(arguments: &Anchors) -> Done {
    let recipe = Recipe::read(&arguments.recipe, arguments.data.as_deref())?;
    let (width, height) = input_size(&recipe)?;
    let shapes = shapes(&recipe, (width as f32, height as f32))?;
    let found = (0..STARTS).map(|seed| anchors(&shapes, arguments.count, seed));
    let best = found.reduce(|a, b| if b.mean_iou > a.mean_iou { b } else { a }).expect("there are starts");
    if best.shapes.len() < arguments.count {
        return Err(Failed::input(format!(
            "the boxes have too few different shapes for {} anchors: {}\nfits: `--count {}` or fewer",
            arguments.count,
            best.shapes.len(),
            best.shapes.len()
        )));
    }
    let sizes: Vec<String> = best.shapes.iter().map(|s| format!("({}, {})", shown(s.width), shown(s.height))).collect();
    print(&format!(
        "const priors = [{}]\nmean IoU of {} boxes with their anchors: {:.3}, in pixels of the input of {width} by {height}\n",
        sizes.join(", "),
        shapes.len(),
        best.mean_iou
    ))
}

/// A size with one digit behind the point; below 1 with two behind the zeros there, since no box is 0 wide.
fn shown(pixels: f32) -> String {
    let zeros = if pixels > 0.0 { (-pixels.log10().floor()).max(0.0) as usize } else { 0 };
    format!("{pixels:.*}", zeros + 1)
}

/// Sizes of the boxes that are learnt from, in pixels of an input that pictures are stretched to.
fn shapes(recipe: &Recipe, (width, height): (f32, f32)) -> Result<Vec<Shape>, Failed> {
    let none = "\nfits: pictures with boxes: `boxes`, `coco`, `voc` or `yolo`";
    let source = recipe.learnt_from();
    let Some(mut collection) = collect(&source.files, &recipe.classes)? else {
        return Err(Failed::input(format!("the recipe learns from tensors, which have no boxes{none}")));
    };
    collection.shuffle();
    let part = source.part.range(collection.examples.len()).map_err(Failed::input)?;
    let mut shapes = Vec::new();
    for example in collection.examples[part].iter().filter(|example| !example.boxes.is_empty()) {
        let (w, h) = example.size()?;
        let shape = |b: &Corners| Shape { width: b.width() * width / w, height: b.height() * height / h };
        shapes.extend(example.boxes.iter().map(|(corners, _)| shape(corners)));
    }
    match shapes.is_empty() {
        true => Err(Failed::input(format!("the pictures of the recipe have no boxes{none}"))),
        false => Ok(shapes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sizes_are_not_shown_as_0() {
        let sizes = [116.25, 16.0, 1.26, 0.96, 0.5, 0.049, 0.003_21, 0.0];
        assert_eq!(sizes.map(shown), ["116.2", "16.0", "1.3", "0.96", "0.50", "0.049", "0.0032", "0.0"]);
    }
}
