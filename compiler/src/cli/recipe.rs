//! Recipes: what a network is trained on, and how.
//!
//! A recipe is YAML; its mistakes are shown as those of specifications are, at the place.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use cnnc_runtime::data::{Part, Picture};
use cnnc_runtime::job::{self, Checkpoints, Files, Job, Machine, Show, Source};
use cnnc_runtime::optimizer::{Rule, Sgd};
use cnnc_runtime::schedule::Schedule;
use serde::Deserialize;

use super::arguments::{NetOptions, Which};
use super::spec::{Named, checkout};
use super::{Failed, color, write};
use crate::diagnostics::{Diagnostic, FileId, SourceMap, Yaml, render};
use crate::graph::{Graph, Kind};

/// A recipe as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The network: a path, or the bare name of a spec that ships.
    spec: String,
    /// Which net of the file.
    net: Option<String>,
    /// Values for the net's parameters.
    #[serde(default)]
    set: std::collections::BTreeMap<String, serde_yaml::Value>,
    /// What is learnt from and what is held out.
    data: Data,
    /// How pictures become inputs.
    #[serde(default)]
    picture: Picture,
    /// Names of the classes.
    #[serde(default)]
    classes: Vec<String>,
    /// Images of a batch.
    #[serde(default = "default_batch")]
    batch: usize,
    /// How often all images are seen.
    epochs: u64,
    /// How weights are updated.
    #[serde(default = "default_optimizer", with = "serde_yaml::with::singleton_map_recursive")]
    optimizer: Rule,
    /// How the learning rate changes.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    schedule: Schedule,
    /// Decides initial weights, order of images and dropout.
    #[serde(default)]
    seed: u64,
    /// Threads; 0 for one on each core.
    #[serde(default)]
    threads: usize,
    /// The folder for checkpoints and weights.
    checkpoints: Option<PathBuf>,
    /// Checkpoints within an epoch, every so many steps.
    #[serde(default)]
    save_every: u64,
    /// Weights to start from.
    weights: Option<PathBuf>,
    /// A picture to classify at the end; one of the held-out images by default.
    show: Option<PathBuf>,
}

fn default_batch() -> usize {
    64
}

fn default_optimizer() -> Rule {
    Rule::Sgd(Sgd::default())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    /// Where files are looked up; the recipe's folder by default.
    folder: Option<PathBuf>,
    train: Images,
    test: Option<Images>,
}

/// Either images and labels in IDX files, or tensors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Images {
    images: Option<PathBuf>,
    labels: Option<PathBuf>,
    tensors: Option<PathBuf>,
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    part: Part,
}

/// A recipe that was read and checked.
#[derive(Debug)]
pub struct Recipe {
    /// Its own path.
    pub path: PathBuf,
    /// Epochs.
    pub epochs: u64,
    /// Seed.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// How pictures become inputs.
    pub picture: Picture,
    /// Names of the classes.
    pub classes: Vec<String>,
    written: Written,
    /// Where data files are looked up.
    data: PathBuf,
    text: String,
}

impl Recipe {
    /// Reads a recipe whose files must be there; `data` stands in for its data folder.
    pub fn read(path: &Path, data: Option<&Path>) -> Result<Self, Failed> {
        let recipe = Self::read_alone(path, data)?;
        Page::new(path, &recipe.text).found(&recipe)?;
        Ok(recipe)
    }

    /// Reads a recipe without asking for its files: to predict takes none of them.
    pub fn read_alone(path: &Path, data: Option<&Path>) -> Result<Self, Failed> {
        is_recipe(path)?;
        let text = write::read_text(path)?;
        let page = Page::new(path, &text);
        let written: Written = serde_yaml::from_str(&text).map_err(|e| page.failed(&[page.yaml.unreadable(&e)]))?;
        page.check(&written)?;
        let home = path.parent().unwrap_or(Path::new("")).to_owned();
        let data = match (data, &written.data.folder) {
            (Some(given), _) => given.to_owned(),
            (None, Some(folder)) => home.join(folder),
            (None, None) => home,
        };
        Ok(Self {
            path: path.to_owned(),
            epochs: written.epochs,
            seed: written.seed,
            threads: written.threads,
            picture: written.picture.clone(),
            classes: written.classes.clone(),
            written,
            data,
            text,
        })
    }

    /// The spec.
    pub fn named(&self) -> Result<Named, Failed> {
        let beside = self.home().join(&self.written.spec);
        let name = if beside.is_file() { beside.display().to_string() } else { self.written.spec.clone() };
        Named::find(&name)
    }

    /// Which net with which values.
    pub fn net(&self) -> NetOptions {
        let text = |value: &serde_yaml::Value| serde_json::to_string(value).unwrap_or_default();
        let set = self.written.set.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        NetOptions { which: Which { set, net: self.written.net.clone() }, ..NetOptions::default() }
    }

    /// Refuses names of classes that are more or fewer than the classes of the network.
    pub fn names_all_classes(&self, graph: &Graph) -> Result<(), Failed> {
        let of_target = graph.targets.iter().find_map(|target| match graph.ty(target.value).kind {
            Kind::Class(classes) => Some(classes),
            Kind::Float => None,
        });
        match of_target {
            Some(classes) if !self.classes.is_empty() && self.classes.len() != classes => {
                let page = Page::new(&self.path, &self.text);
                let place = page.yaml.key("classes").unwrap_or_else(|| page.yaml.span(0, 0));
                let wrong = Diagnostic::new(place, format!("the net `{}` has {classes} classes", graph.name));
                Err(page.failed(&[wrong
                    .found(format!("{} names", self.classes.len()))
                    .fits(format!("{classes} names, or `set: {{ NAME: {} }}` for another net", self.classes.len()))]))
            }
            _ => Ok(()),
        }
    }

    /// Where training leaves the weights.
    pub fn output(&self) -> PathBuf {
        self.folder().join("weights.safetensors")
    }

    fn home(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Puts what an earlier run has left where this one writes aside; returns the folder that has it now.
    pub fn keep_earlier(&self) -> Result<Option<PathBuf>, Failed> {
        let folder = self.folder();
        let files: Vec<&str> = RESULTS.into_iter().filter(|name| folder.join(name).is_file()).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let mut names = (1..).map(|number| folder.join(format!("earlier-{number}")));
        let aside = names.find(|path| !path.exists()).expect("numbers do not end");
        let failed =
            |e: std::io::Error| Failed::machine(format!("cannot keep an earlier run in `{}`: {e}", aside.display()));
        std::fs::create_dir(&aside).map_err(failed)?;
        for name in files {
            std::fs::rename(folder.join(name), aside.join(name)).map_err(failed)?;
        }
        Ok(Some(aside))
    }

    /// Checkpoints and weights: as said, relative to where the command runs, else `runs/` and the recipe's name.
    fn folder(&self) -> PathBuf {
        let name = self.path.file_stem().unwrap_or_default();
        self.written.checkpoints.clone().unwrap_or_else(|| Path::new("runs").join(name))
    }

    fn source(&self, images: &Images) -> Source {
        let at = |path: &Option<PathBuf>| self.data.join(path.as_deref().unwrap_or(Path::new("")));
        let files = match &images.tensors {
            Some(_) => Files::Tensors { path: at(&images.tensors) },
            None => Files::Idx { images: at(&images.images), labels: at(&images.labels) },
        };
        Source { files, part: images.part }
    }

    /// The job of training.
    ///
    /// A run is resumed by the same recipe and the same `network`, a digest of what it was compiled from.
    pub fn train(&self, machine: Machine, resume: bool, network: u64) -> Result<Job, Failed> {
        let folder = self.folder();
        let recipe = format!("{:016x}", digest(&format!("{}\n{} {} {network}", self.text, self.seed, self.epochs)));
        Ok(Job::Train(Box::new(job::Train {
            machine,
            seed: self.seed,
            data: self.source(&self.written.data.train),
            test: self.written.data.test.as_ref().map(|t| self.source(t)),
            picture: self.picture.clone(),
            classes: self.classes.clone(),
            batch: self.written.batch,
            epochs: self.epochs,
            optimizer: self.written.optimizer,
            schedule: self.written.schedule.clone(),
            checkpoints: Checkpoints { folder, resume, every_steps: self.written.save_every, recipe },
            weights: self.written.weights.as_ref().map(|w| self.home().join(w)),
            output: self.output(),
            show: self.written.show.as_ref().map_or(Show::HeldOut, |file| Show::File(self.home().join(file))),
        })))
    }

    /// The job of evaluation on the held-out data.
    pub fn eval(&self, machine: Machine, weights: PathBuf, json: bool) -> Result<Job, Failed> {
        let data = self.written.data.test.as_ref().unwrap_or(&self.written.data.train);
        Ok(Job::Eval(job::Eval {
            machine,
            weights,
            data: self.source(data),
            picture: Some(self.picture.clone()),
            batch: self.written.batch,
            json,
        }))
    }
}

/// What training leaves in its folder.
const RESULTS: [&str; 3] = ["weights.safetensors", "best.safetensors", "last.safetensors"];

/// Refuses networks, which are easily taken for recipes.
fn is_recipe(path: &Path) -> Result<(), Failed> {
    let shown = path.display();
    let fits = "a recipe, a YAML file that says on what and how the network learns; `cnnc new digits` writes one";
    if path.extension().is_some_and(|e| e == "net") {
        return Err(Failed::input(format!("`{shown}` is a network, not a recipe\nfits: {fits}")));
    }
    if path.extension().is_none() && !path.exists() {
        let ships = checkout().map(|root| root.join("specs").join(path).with_extension("yaml")).filter(|p| p.is_file());
        let hint = ships.map_or(String::new(), |p| format!("\nhelp: did you mean `{}`?", p.display()));
        return Err(Failed::input(format!("there is no recipe `{shown}`\nfits: {fits}{hint}")));
    }
    Ok(())
}

/// FNV-1a.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The recipe's text, for mistakes to point at.
struct Page<'a> {
    path: &'a Path,
    yaml: Yaml<'a>,
}

impl<'a> Page<'a> {
    fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, yaml: Yaml { file: FileId(0), text, what: "recipe", example } }
    }

    fn failed(&self, mistakes: &[Diagnostic]) -> Failed {
        let mut sources = SourceMap::default();
        sources.add(self.path, self.yaml.text);
        Failed::Input(render(&sources, mistakes, color(std::io::stderr().is_terminal())))
    }

    /// Numbers in their ranges, and data that is said in one way.
    fn check(&self, recipe: &Written) -> Result<(), Failed> {
        let mut mistakes = Vec::new();
        let mut wrong = |name: &str, found: String, fits: &str| {
            mistakes
                .push(Diagnostic::new(self.yaml.at(name), format!("`{name}` does not fit")).found(found).fits(fits));
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
        let checks = [("optimizer", recipe.optimizer.check()), ("schedule", recipe.schedule.check())];
        for (name, result) in checks {
            if let Err(text) = result {
                let inner = text.split('`').nth(1).unwrap_or(name).to_owned();
                let place = self.yaml.key(&inner).map_or_else(|| self.yaml.at(name), |key| self.yaml.value(key));
                mistakes.push(Diagnostic::new(place, text));
            }
        }
        for (name, images) in [("train", Some(&recipe.data.train)), ("test", recipe.data.test.as_ref())] {
            let Some(images) = images else { continue };
            let idx = images.images.is_some() && images.labels.is_some() && images.tensors.is_none();
            let tensors = images.tensors.is_some() && images.images.is_none() && images.labels.is_none();
            if !idx && !tensors {
                let place = self.yaml.key(name).unwrap_or_else(|| self.yaml.span(0, 0));
                mistakes.push(
                    Diagnostic::new(place, format!("`{name}` does not say where its data is")).fits(
                        "`images` and `labels` (IDX files, as MNIST has them), or `tensors` (a safetensors file)",
                    ),
                );
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(self.failed(&mistakes)) }
    }

    /// Files that must be there.
    fn found(&self, recipe: &Recipe) -> Result<(), Failed> {
        let mut mistakes = Vec::new();
        let data = [("train", Some(&recipe.written.data.train)), ("test", recipe.written.data.test.as_ref())];
        let files = data.into_iter().filter_map(|(part, images)| Some((part, images?))).flat_map(|(part, i)| {
            [("images", &i.images), ("labels", &i.labels), ("tensors", &i.tensors)].map(|(key, path)| (part, key, path))
        });
        let own = [("", "weights", &recipe.written.weights), ("", "show", &recipe.written.show)];
        let files = files
            .map(|(part, key, path)| (part, key, path, recipe.data.as_path()))
            .chain(own.map(|(part, key, path)| (part, key, path, recipe.home())));
        for (part, key, path, folder) in files {
            let Some(path) = path else { continue };
            let full = folder.join(path);
            if full.is_file() {
                continue;
            }
            // Several parts have keys of this name.
            let after = self.yaml.key(part).filter(|_| !part.is_empty()).map_or(0, |part| part.end as usize);
            let place = self.yaml.key_from(key, after).map_or_else(|| self.yaml.at(key), |key| self.yaml.value(key));
            mistakes.push(Diagnostic::new(place, "there is no such file").found(full.display().to_string()).fits(
                "a path relative to the recipe, or to the folder of the data: `data: { folder: ... }`, `--data DIR`",
            ));
        }
        if mistakes.is_empty() { Ok(()) } else { Err(self.failed(&mistakes)) }
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
