//! `cnnc augment`: how the pictures of a recipe change at random.

use cnnc_runtime::augment::Sample;
use cnnc_runtime::data::{Collection, Raster};
use cnnc_runtime::draw;
use cnnc_runtime::files::FileError;
use cnnc_runtime::harness::collect;
use cnnc_runtime::random::Random;

use super::arguments::Augment;
use super::recipe::Recipe;
use super::{Done, Failed, print, write};

/// The longer side of a picture on the sheet is at least so many pixels, in whole multiples of the network's input.
const SIDE: usize = 224;

impl From<FileError> for Failed {
    fn from(error: FileError) -> Self {
        Self::input(error.to_string())
    }
}

/// Writes a sheet with a row for each picture: as it is, after each step alone, and again and again after all of them.
pub fn augment(arguments: &Augment) -> Done {
    let recipe = Recipe::read(&arguments.recipe, arguments.data.as_deref())?;
    write::ends_in("png", &arguments.output)?;
    write::has_folder(&arguments.output)?;
    let (width, height) = input_size(&recipe)?;
    let source = recipe.learnt_from();
    let Some(collection) = collect(&source.files, &recipe.classes)? else {
        return Err(Failed::input("the recipe learns from tensors\nfits: pictures; tensors are not augmented"));
    };
    if collection.examples.is_empty() {
        return Err(Failed::input(
            "the recipe learns from no pictures: there are none in its files\nfits: at least one",
        ));
    }
    let pipeline = recipe.augment();
    pipeline.suits(collection.points()).map_err(Failed::input)?;
    let times = (SIDE / width.max(height)).max(1);
    let steps = draw::Steps {
        pipeline,
        together: if pipeline.is_empty() { 0 } else { arguments.variants },
        size: (width * times, height * times),
        classes: if recipe.classes.is_empty() { &collection.classes } else { &recipe.classes },
    };
    let mut another = |random: &mut Random| any(&collection, random);
    let mut random = Random::new(arguments.seed);
    let mut pictures: Vec<Raster> = Vec::new();
    // None comes twice before all were shown.
    let mut order: Vec<usize> = (0..collection.examples.len()).collect();
    random.shuffle(&mut order);
    for &number in order.iter().cycle().take(arguments.pictures) {
        let first = collection.examples[number].read()?;
        pictures.extend(steps.row(&first, random.bits(), &mut another)?);
    }
    draw::sheet(&pictures, steps.columns(), 4).write_png(&arguments.output)?;
    let names: Vec<&str> = pipeline.0.iter().map(|step| step.name()).collect();
    let together = match steps.together {
        0 => String::new(),
        1 => ", and once after all of them".to_owned(),
        times => format!(", and {times} times after all of them"),
    };
    let changed = match names[..] {
        [] => "; no `augment` in the recipe".to_owned(),
        _ => format!(", after each step alone{together}: {}", names.join(", ")),
    };
    print(&format!("{}: {} pictures, each as it is{changed}\n", arguments.output.display(), arguments.pictures))
}

fn any(collection: &Collection, random: &mut Random) -> Result<Sample, FileError> {
    collection.examples[random.below(collection.examples.len() as u64) as usize].read()
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
