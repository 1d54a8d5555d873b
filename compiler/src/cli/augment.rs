//! `cnnc augment`: how the pictures of a recipe change at random.

use cnnc_runtime::augment::{Pipeline, Sample};
use cnnc_runtime::data::{Collection, Raster};
use cnnc_runtime::draw;
use cnnc_runtime::files::FileError;
use cnnc_runtime::harness::collect;
use cnnc_runtime::random::Random;

use super::arguments::Augment;
use super::recipe::Recipe;
use super::{Done, Failed, print, write};

/// The longer side of a picture on the sheet is at least so many pixels, in whole multiples of the network's input.
const SIDE: usize = 112;

impl From<FileError> for Failed {
    fn from(error: FileError) -> Self {
        Self::input(error.to_string())
    }
}

/// Writes a sheet with a row for each picture: as it is, then changed again and again.
pub fn augment(arguments: &Augment) -> Done {
    let recipe = Recipe::read(&arguments.recipe, arguments.data.as_deref())?;
    write::has_folder(&arguments.output)?;
    let (width, height) = input_size(&recipe)?;
    let source = recipe.learnt_from();
    let Some(collection) = collect(&source.files, &recipe.classes)? else {
        return Err(Failed::input("the recipe learns from tensors\nfits: pictures; tensors are not augmented"));
    };
    let classes = if recipe.classes.is_empty() { &collection.classes } else { &recipe.classes };
    let times = (SIDE / width.max(height)).max(1);
    let mut pictures: Vec<Raster> = Vec::new();
    let mut random = Random::new(arguments.seed);
    for _ in 0..arguments.pictures {
        let first = any(&collection, &mut random)?;
        pictures.push(shown(&first, width * times, height * times, classes));
        for _ in 0..arguments.variants {
            let changed = change(recipe.augment(), &first, &collection, &mut random)?;
            pictures.push(shown(&changed, width * times, height * times, classes));
        }
    }
    draw::sheet(&pictures, arguments.variants + 1, 4).write_png(&arguments.output)?;
    let steps: Vec<&str> = recipe.augment().0.iter().map(|step| step.name()).collect();
    let steps = if steps.is_empty() { "no `augment` in the recipe".to_owned() } else { steps.join(", ") };
    print(&format!(
        "{}: {} pictures, each as it is and changed {} times: {steps}\n",
        arguments.output.display(),
        arguments.pictures,
        arguments.variants
    ))
}

fn any(collection: &Collection, random: &mut Random) -> Result<Sample, FileError> {
    collection.examples[random.below(collection.examples.len() as u64) as usize].read()
}

fn change(
    pipeline: &Pipeline,
    sample: &Sample,
    collection: &Collection,
    random: &mut Random,
) -> Result<Sample, FileError> {
    pipeline.apply(sample.clone(), random, &mut |random| any(collection, random))
}

/// As the network sees it, with what is known of it drawn on.
fn shown(sample: &Sample, width: usize, height: usize, classes: &[String]) -> Raster {
    draw::sample(&sample.stretched(width, height), classes)
}

/// Width and height of the network's input.
pub(super) fn input_size(recipe: &Recipe) -> Result<(usize, usize), Failed> {
    let named = recipe.named()?;
    let graph = named.elaborate(&recipe.net(&named)?)?;
    let shape = graph.inputs.first().map(|input| graph.ty(input.value).shape.clone()).unwrap_or_default();
    match shape[..] {
        [1 | 3, height, width] => Ok((width, height)),
        _ => Err(Failed::input(format!(
            "the first input of {} is {shape:?}\nfits: a picture, [1 or 3, height, width]",
            graph.name
        ))),
    }
}
