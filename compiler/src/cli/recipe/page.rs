//! The text of a recipe, for mistakes to point at.

use std::io::IsTerminal as _;
use std::path::Path;

use cnnc_runtime::data::readers::splits;
use cnnc_runtime::optimizer::Rule;

use super::Recipe;
use super::data::{Images, Is};
use super::transfer::Features;
use super::written::Written;
use crate::cli::{Failed, color};
use crate::diagnostics::{Diagnostic, FileId, SourceMap, Span, Yaml, nearest, render};

/// The recipe's text, for mistakes to point at.
pub(super) struct Page<'a> {
    path: &'a Path,
    pub(super) yaml: Yaml<'a>,
}

impl<'a> Page<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, yaml: Yaml { file: FileId(0), text, what: "recipe", example } }
    }

    pub(super) fn failed(&self, mistakes: &[Diagnostic]) -> Failed {
        let mut sources = SourceMap::default();
        sources.add(self.path, self.yaml.text);
        Failed::Input(render(&sources, mistakes, color(std::io::stderr().is_terminal())))
    }

    /// Numbers in their ranges, and data that is said in one way.
    pub(super) fn check(&self, recipe: &Written) -> Result<(), Failed> {
        let mut mistakes = Vec::new();
        let mut wrong = |name: &str, found: String, fits: &str| {
            let place = self.yaml.value(self.top(name));
            mistakes.push(Diagnostic::new(place, format!("`{name}` does not fit")).found(found).fits(fits));
        };
        if !(1..=65_536).contains(&recipe.batch) {
            wrong("batch", recipe.batch.to_string(), "a whole number from 1 to 65536");
        }
        if !(1..=1_000_000).contains(&recipe.epochs) {
            wrong("epochs", recipe.epochs.to_string(), "a whole number from 1 to 1000000");
        }
        if recipe.threads > 1024 {
            wrong("threads", recipe.threads.to_string(), "0 for one on each core, or up to 1024");
        }
        if !(1..=65_536).contains(&recipe.accumulate) {
            wrong("accumulate", recipe.accumulate.to_string(), "a whole number from 1 to 65536");
        }
        if recipe.accumulate > 1 && recipe.optimizer.searches() {
            wrong("accumulate", recipe.accumulate.to_string(), "1: a `line_search` looks at one batch several times");
        }
        if !recipe.groups.is_empty() && matches!(recipe.optimizer, Rule::Lbfgs(_)) {
            wrong("groups", "groups of weights".to_owned(), "none: `lbfgs` looks for one direction of all weights");
        }
        if let Some(average) = recipe.average.filter(|average| !(0.0..1.0).contains(average)) {
            wrong("average", average.to_string(), "a number from 0 to below 1; 0.999 is usual");
        }
        if recipe.early_stopping == Some(0) {
            wrong("early_stopping", "0".to_owned(), "a whole number of epochs, at least 1");
        }
        let section = |name: &'static str, result| (self.section(name), self.yaml.value(self.top(name)), result);
        let item = |name: &str, number, result| (self.item(name, number), self.item(name, number), result);
        let mut checks = vec![
            section("optimizer", recipe.optimizer.check()),
            section("schedule", recipe.schedule.check()),
            section("metrics", recipe.metrics.check()),
        ];
        checks.extend(recipe.clip.map(|clip| section("clip", clip.check())));
        checks.extend((0..).zip(&recipe.groups).map(|(number, group)| item("groups", number, group.check())));
        checks.extend((0..).zip(&recipe.augment.0).map(|(number, step)| item("augment", number, step.check())));
        for (within, whole, result) in checks {
            if let Err(text) = result {
                let place = text.split('`').nth(1).and_then(|inner| self.value_in(within, inner));
                mistakes.push(Diagnostic::new(place.unwrap_or(whole), text));
            }
        }
        for (name, images) in [("train", Some(&recipe.data.train)), ("test", recipe.data.test.as_ref())] {
            let Some(images) = images else { continue };
            if !images.is_clear() {
                mistakes.push(
                    Diagnostic::new(self.part(name), format!("`{name}` does not say where its data is")).fits(
                        "one of `images` with `labels` (IDX files, as MNIST has them), `tensors` (a safetensors or .npz file, or a \
                         folder of .npy files), `folders`, `cifar10`, `cifar100`, `voc`, `coco`, `yolo`, `boxes`, `landmarks`, `pairs` and \
                         `triplets`",
                    ),
                );
            }
        }
        if recipe.transfer.is_some() && recipe.weights.is_some() {
            mistakes.push(
                Diagnostic::new(self.top("weights"), "a run cannot start from `weights` and from `transfer`")
                    .fits("`weights` for all weights of this network, `transfer` for those of another one that fit"),
            );
        }
        if recipe.transfer.as_ref().is_some_and(|transfer| transfer.features == Features::Cached)
            && !recipe.augment.is_empty()
        {
            let place = self.in_transfer("features");
            mistakes.push(
                Diagnostic::new(place, "features that are kept are those of pictures as they are")
                    .found("`augment`, which changes them in each epoch")
                    .fits("no `augment`, or `features: anew`"),
            );
        }
        if mistakes.is_empty() { Ok(()) } else { Err(self.failed(&mistakes)) }
    }

    /// The key of a part of the data, or one of the recipe itself.
    fn part(&self, name: &str) -> Span {
        let data = self.section("data").start as usize;
        let of_data = ["train", "test"].contains(&name).then(|| self.yaml.key_from(name, data)).flatten();
        of_data.unwrap_or_else(|| self.top(name))
    }

    /// The value of a key of `transfer`, or that key itself.
    pub(super) fn in_transfer(&self, key: &str) -> Span {
        self.value_in(self.section("transfer"), key).unwrap_or_else(|| self.top("transfer"))
    }

    /// Files that must be there.
    pub(super) fn found(&self, recipe: &Recipe) -> Result<(), Failed> {
        let mut mistakes = Vec::new();
        let data = [("train", Some(&recipe.written.data.train)), ("test", recipe.written.data.test.as_ref())];
        let files = data
            .into_iter()
            .filter_map(|(part, images)| Some((part, images?)))
            .flat_map(|(part, images)| images.paths().into_iter().map(move |file| (part, file)));
        let transfer = recipe.written.transfer.as_ref().map(|transfer| transfer.from.as_path());
        let own = [
            ("", "weights", recipe.written.weights.as_deref()),
            ("", "show", recipe.written.show.as_deref()),
            ("transfer", "from", transfer),
        ];
        let own = own.into_iter().filter_map(|(part, key, path)| Some((part, (key, path?, Is::File))));
        let files = files.map(|file| (file, recipe.data.as_path())).chain(own.map(|file| (file, recipe.home())));
        for ((part, (key, path, is)), folder) in files {
            let full = folder.join(path);
            let (there, missing) = match is {
                Is::File => (full.is_file(), "there is no such file"),
                Is::Folder => (full.is_dir(), "there is no such folder"),
                Is::Either => (full.exists(), "there is no such file or folder"),
            };
            if there {
                continue;
            }
            // Several parts have keys of this name.
            let key = match part {
                "" => self.top(key),
                part => self.yaml.key_from(key, self.part(part).end as usize).unwrap_or_else(|| self.top(key)),
            };
            let place = self.yaml.value(key);
            mistakes.push(Diagnostic::new(place, missing).found(full.display().to_string()).fits(
                "a path relative to the recipe, or to the folder of the data: `data: { folder: ... }`, `--data DIR`",
            ));
        }
        mistakes.extend(data.into_iter().filter_map(|(part, images)| self.no_such_split(part, images?, &recipe.data)));
        if mistakes.is_empty() { Ok(()) } else { Err(self.failed(&mistakes)) }
    }

    /// A split that the table of its boxes does not speak of. What else is wrong with a table is said by who reads it all.
    fn no_such_split(&self, part: &str, images: &Images, folder: &Path) -> Option<Diagnostic> {
        let boxes = images.boxes.as_ref()?;
        let split = boxes.split.as_deref()?;
        let known = splits(&folder.join(&boxes.annotations)).ok()?;
        if known.is_empty() || known.iter().any(|known| known == split) {
            return None;
        }
        let key = self.yaml.key_from("split", self.part(part).end as usize).unwrap_or_else(|| self.part(part));
        let wrong = Diagnostic::new(self.yaml.value(key), format!("there is no split `{split}`"));
        let wrong = wrong.fits(format!("one of those in the table: {}", known.join(", ")));
        Some(match nearest(split, known.iter().map(String::as_str)) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong,
        })
    }
}

/// How a key that is missing would be written.
fn example(key: &str) -> &'static str {
    match key {
        "spec" => "`spec: lenet5.net`",
        "data" => "`data: { train: { images: a.gz, labels: b.gz }, test: { images: c.gz, labels: d.gz } }`",
        "train" => "`train: { images: train-images.gz, labels: train-labels.gz }`",
        "epochs" => "`epochs: 10`",
        _ => "the key and its value",
    }
}
