//! Recipes: what a network is trained on, and how.
//!
//! A recipe is YAML; its mistakes are shown as those of specifications are, at the place.

mod blame;
mod data;
mod names;
mod page;
mod places;
mod transfer;
mod written;

use std::path::{Path, PathBuf};

use cnnc_runtime::augment::{Pipeline, Step};
use cnnc_runtime::data::{Answer, Part, Picture};
use cnnc_runtime::job::{self, Checkpoints, Files, Job, Machine, Show, Source};
use cnnc_runtime::optimizer::{Optimizer, needs_all};

use super::arguments::{NetOptions, Which};
use super::spec::{Named, checkout};
use super::{Failed, write};
use crate::budget::Budget;
use crate::diagnostics::Diagnostic;
use crate::graph::{Graph, Kind};
pub use blame::blame;
use data::Images;
use page::Page;
use transfer::Features;
use written::{Size, Written};

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
        recipe.page().found(&recipe)?;
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

    fn page(&self) -> Page<'_> {
        Page::new(&self.path, &self.text)
    }

    /// The spec.
    pub fn named(&self) -> Result<Named, Failed> {
        let beside = self.home().join(&self.written.spec);
        let name = if beside.is_file() { beside.display().to_string() } else { self.written.spec.clone() };
        match Named::find(&name) {
            Ok(named) => Ok(named.asked_by(&self.path, &self.text)),
            Err(Failed::Input(text)) => Err(self.no_such_spec(&text)),
            Err(other) => Err(other),
        }
    }

    /// What is wrong with a spec, in lines, at the place that names it.
    fn no_such_spec(&self, text: &str) -> Failed {
        let page = self.page();
        let title = text.lines().next().unwrap_or_default();
        let wrong = Diagnostic::new(page.yaml.value(page.top("spec")), title);
        let add = |wrong: Diagnostic, line: &str| match (line.strip_prefix("fits: "), line.strip_prefix("help: ")) {
            (Some(fits), _) => wrong.fits(fits),
            (None, Some(hint)) => wrong.hint(hint),
            (None, None) => wrong,
        };
        page.failed(&[text.lines().skip(1).fold(wrong, add)])
    }

    /// Which net with which values, and which of its weights stay as they are.
    pub fn net(&self, named: &Named) -> Result<NetOptions, Failed> {
        let text = |value: &serde_yaml::Value| serde_json::to_string(value).unwrap_or_default();
        let set = self.written.set.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let net = NetOptions { which: Which { set, net: self.written.net.clone() }, ..NetOptions::default() };
        let net = NetOptions { budget: self.budget(), ..net };
        if self.written.transfer.is_none() && self.written.freeze.is_empty() {
            return Ok(net);
        }
        let freeze = self.frozen(&named.elaborate(&net)?)?;
        Ok(NetOptions { freeze, ..net })
    }

    /// The memory that training may take: with the optimizer's vectors, sums over batches, and a moving average.
    fn budget(&self) -> Option<Budget> {
        let Written { memory, batch, optimizer, accumulate, average, clip, .. } = &self.written;
        let vectors = Optimizer::vectors(optimizer) + usize::from(*accumulate > 1);
        let copies = usize::from(average.is_some());
        let keeps_gradients = needs_all(optimizer, clip.as_ref(), *accumulate).is_some();
        let budget = |Size(bytes)| Budget { bytes, images: *batch, vectors, copies, keeps_gradients };
        memory.map(budget)
    }

    /// Refuses names of classes that are more or fewer than the classes of the network.
    pub fn names_all_classes(&self, graph: &Graph) -> Result<(), Failed> {
        let of_target = graph.targets.iter().find_map(|target| match graph.ty(target.value).kind {
            Kind::Class(classes) => Some(classes),
            Kind::Float => None,
        });
        match of_target {
            Some(classes) if !self.classes.is_empty() && self.classes.len() != classes => {
                let page = self.page();
                let wrong =
                    Diagnostic::new(page.top("classes"), format!("the net `{}` has {classes} classes", graph.name));
                Err(page.failed(&[wrong
                    .found(format!("{} names", self.classes.len()))
                    .fits(format!("{classes} names, or `set: {{ NAME: {} }}` for another net", self.classes.len()))]))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to blend pictures for a target that is one class.
    pub fn blends_for(&self, graph: &Graph) -> Result<(), Failed> {
        let number = self.written.augment.0.iter().position(|step| matches!(step, Step::Mixup(_)));
        let class = graph.targets.iter().find(|target| matches!(graph.ty(target.value).kind, Kind::Class(_)));
        let (Some(number), Some(target)) = (number, class) else { return Ok(()) };
        let page = self.page();
        let title = format!("`mixup` gives pictures several classes, but the target `{}` is one", target.name);
        let wrong = Diagnostic::new(page.item("augment", number), title);
        Err(page.failed(&[wrong.fits("no `mixup`, or a net with a target [classes] and `targets: { NAME: one_hot }`")]))
    }

    /// Where training leaves the weights.
    pub fn output(&self) -> PathBuf {
        self.folder().join("weights.safetensors")
    }

    fn home(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The weights that the last of the earlier runs left, which were put aside.
    pub fn earlier_output(&self) -> Option<PathBuf> {
        let folders = (1..).map(|number| self.folder().join(format!("earlier-{number}")));
        let there = folders.take_while(|folder| folder.is_dir()).map(|folder| folder.join("weights.safetensors"));
        there.filter(|weights| weights.is_file()).last()
    }

    /// Refuses to go on with a run that is not there.
    pub fn can_go_on(&self) -> Result<(), Failed> {
        let last = self.folder().join("last.safetensors");
        match last.is_file() {
            true => Ok(()),
            false => Err(Failed::input(format!(
                "there is no run to resume: `{}` is missing\nfits: no `--resume` for a new run, or `checkpoints: ...` with the folder \
                 of the old one",
                last.display()
            ))),
        }
    }

    /// Checkpoints and weights: as said, relative to where the command runs, else `runs/` and the recipe's name.
    fn folder(&self) -> PathBuf {
        let name = self.path.file_stem().unwrap_or_default();
        self.written.checkpoints.clone().unwrap_or_else(|| Path::new("runs").join(name))
    }

    fn source(&self, images: &Images) -> Source {
        Source { files: images.files(&self.data), part: images.part }
    }

    /// What is learnt from.
    pub fn learnt_from(&self) -> Source {
        self.source(&self.written.data.train)
    }

    /// How pictures that are learnt from change at random.
    pub fn augment(&self) -> &Pipeline {
        &self.written.augment
    }

    /// Whether what frozen layers see is computed once and kept.
    pub fn caches_features(&self) -> bool {
        self.written.transfer.as_ref().is_some_and(|transfer| transfer.features == Features::Cached)
    }

    /// Where the features of a part of the data are kept.
    fn features_of(&self, part: &str) -> PathBuf {
        self.folder().join(format!("features-{part}.safetensors"))
    }

    /// The job of computing features, for the front half of a network; `network` is a digest of what that was compiled from.
    pub fn features(&self, machine: Machine, network: u64) -> Option<Job> {
        let transfer = self.written.transfer.as_ref()?;
        let data = [("train", Some(&self.written.data.train)), ("test", self.written.data.test.as_ref())];
        let parts = data.into_iter().filter_map(|(part, images)| Some((self.source(images?), self.features_of(part))));
        Some(Job::Features(job::Features {
            machine,
            weights: self.home().join(&transfer.from),
            network: format!("{network:016x}"),
            parts: parts.collect(),
            picture: self.picture.clone(),
            classes: self.classes.clone(),
            targets: self.targets(),
            batch: self.written.batch,
            epochs: self.epochs,
        }))
    }

    /// What is learnt from or held out: images, or their features.
    fn part(&self, part: &str, images: &Images) -> Source {
        match self.caches_features() {
            true => Source { files: Files::Tensors { path: self.features_of(part) }, part: Part::All },
            false => self.source(images),
        }
    }

    /// The picture that is looked at when all is learnt, where the network that learns takes features.
    pub fn shown_at_last(&self) -> Option<PathBuf> {
        let show = self.written.show.as_ref().filter(|_| self.caches_features());
        show.map(|file| self.home().join(file))
    }

    fn show(&self) -> Show {
        match &self.written.show {
            _ if self.caches_features() => Show::Nothing,
            None => Show::HeldOut,
            Some(file) => Show::File(self.home().join(file)),
        }
    }

    fn targets(&self) -> Vec<(String, Answer)> {
        self.written.targets.iter().map(|(name, answer)| (name.clone(), answer.clone())).collect()
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
            data: self.part("train", &self.written.data.train),
            test: self.written.data.test.as_ref().map(|test| self.part("test", test)),
            picture: self.picture.clone(),
            classes: self.classes.clone(),
            batch: self.written.batch,
            epochs: self.epochs,
            optimizer: self.written.optimizer,
            schedule: self.written.schedule.clone(),
            decay_on: self.written.decay_on,
            groups: self.written.groups.clone(),
            clip: self.written.clip,
            accumulate: self.written.accumulate,
            average: self.written.average,
            patience: self.written.early_stopping,
            init: self.written.init,
            augment: self.written.augment.clone(),
            targets: self.targets(),
            measures: self.written.metrics.clone(),
            checkpoints: Checkpoints { folder, resume, every_steps: self.written.save_every, recipe },
            weights: self.written.weights.as_ref().map(|w| self.home().join(w)),
            transfer: self.written.transfer.as_ref().map(|transfer| self.home().join(&transfer.from)),
            output: self.output(),
            show: self.show(),
        })))
    }

    /// The job of evaluation on the held-out data.
    pub fn eval(&self, machine: Machine, weights: Vec<PathBuf>, crops: usize, json: bool) -> Result<Job, Failed> {
        let data = self.written.data.test.as_ref().unwrap_or(&self.written.data.train);
        if crops > 1 && data.tensors.is_some() {
            return Err(Failed::input("the recipe is evaluated on tensors\nfits: no `--crops`, which is for pictures"));
        }
        // What is measured otherwise has pictures of its own.
        let other = if weights == [self.output()] && crops == 1 { "" } else { "-other" };
        Ok(Job::Eval(job::Eval {
            machine,
            weights,
            crops,
            data: self.source(data),
            targets: self.targets(),
            measures: self.written.metrics.clone(),
            classes: self.classes.clone(),
            picture: Some(self.picture.clone()),
            batch: self.written.batch,
            roc: self.folder().join(format!("roc{other}.svg")),
            confusion: self.folder().join(format!("confusion{other}.png")),
            json,
        }))
    }
}

/// Refuses networks, which are easily taken for recipes.
fn is_recipe(path: &Path) -> Result<(), Failed> {
    let shown = path.display();
    let fits = "a recipe, a YAML file that says on what and how the network learns; `cnnc new digits` writes one";
    if path.extension().is_some_and(|e| e == "net") {
        return Err(Failed::input(format!("`{shown}` is a network, not a recipe\nfits: {fits}")));
    }
    if path.extension().is_some_and(|e| e == "safetensors") {
        return Err(Failed::input(format!(
            "`{shown}` is a file of weights, not a recipe\nfits: {fits}; `--weights {shown}`"
        )));
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

#[cfg(test)]
mod tests;
