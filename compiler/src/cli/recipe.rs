//! Recipes: what a network is trained on, and how.
//!
//! A recipe is YAML; its mistakes are shown as those of specifications are, at the place.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use cnnc_runtime::augment::Pipeline;
use cnnc_runtime::data::{Answer, Part, Picture};
use cnnc_runtime::init::Scheme;
use cnnc_runtime::job::{self, Checkpoints, Cifar, Files, Job, Machine, Show, Source};
use cnnc_runtime::optimizer::{Clip, DecayOn, Rule, Sgd};
use cnnc_runtime::schedule::Schedule;
use serde::Deserialize;

use super::arguments::{NetOptions, Which};
use super::spec::{Named, checkout};
use super::{Failed, color, write};
use crate::diagnostics::{Diagnostic, FileId, SourceMap, Span, Yaml, nearest, render};
use crate::graph::{Graph, Kind, Param, Role, prefixes};

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
    /// Which parameters weight decay applies to.
    #[serde(default)]
    decay_on: DecayOn,
    /// How gradients that are too large are cut.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    clip: Option<Clip>,
    /// Batches whose gradients make one step.
    #[serde(default = "one")]
    accumulate: usize,
    /// The decay of a moving average of the weights.
    average: Option<f64>,
    /// Epochs without a new best one before the run ends.
    early_stopping: Option<u64>,
    /// How weights start.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    init: Option<Scheme>,
    /// How pictures that are learnt from change at random.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    augment: Pipeline,
    /// What targets hold.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    targets: std::collections::BTreeMap<String, Answer>,
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
    /// Weights of another network to start from, and which are trained.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    transfer: Option<Transfer>,
    /// A picture to classify at the end; one of the held-out images by default.
    show: Option<PathBuf>,
}

/// Learning that goes on from what another network has learnt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    /// Its weights.
    from: PathBuf,
    /// What is trained; all before it stays as it is.
    #[serde(default)]
    train: Trained,
}

/// Which weights are trained: the fewer, the less there is to learn from.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Trained {
    /// The last layer.
    #[default]
    Head,
    /// So many layers at the end.
    Last(usize),
    /// Those from the first one of this name on.
    From(String),
    /// All.
    All,
}

impl Trained {
    /// The position of the first weight that is trained; `None` where there is no such.
    fn first(&self, params: &[Param]) -> Option<usize> {
        match self {
            Self::All => Some(0),
            Self::From(name) => {
                let below = format!("{name}.");
                params.iter().position(|param| param.name == *name || param.name.starts_with(&below))
            }
            Self::Head => Self::Last(1).first(params),
            Self::Last(count) => layers(params).into_iter().rev().nth(count.checked_sub(1)?),
        }
    }
}

/// Where layers with filters begin, in order; norms belong to the layer in front of them.
fn layers(params: &[Param]) -> Vec<usize> {
    let filters = |param: &Param| param.role != Role::Buffer && param.shape.len() > 1;
    (0..params.len()).filter(|&i| filters(&params[i])).collect()
}

fn default_batch() -> usize {
    64
}

fn one() -> usize {
    1
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

/// One kind of files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Images {
    images: Option<PathBuf>,
    labels: Option<PathBuf>,
    tensors: Option<PathBuf>,
    folders: Option<PathBuf>,
    cifar10: Option<Vec<PathBuf>>,
    cifar100: Option<Vec<PathBuf>>,
    voc: Option<Annotated>,
    coco: Option<Annotated>,
    yolo: Option<Annotated>,
    boxes: Option<Tabled>,
    landmarks: Option<Annotated>,
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    part: Part,
}

/// What stands beside a folder of pictures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotated {
    /// The folder of the pictures.
    images: PathBuf,
    /// What is known of them: a file or a folder.
    annotations: PathBuf,
}

/// A table of boxes beside a folder of pictures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tabled {
    /// The folder of the pictures.
    images: PathBuf,
    /// The table.
    annotations: PathBuf,
    /// Which rows.
    split: Option<String>,
}

/// What a path must lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    File,
    Folder,
}

impl Images {
    /// The kinds of data that are given, by name.
    fn kinds(&self) -> Vec<&'static str> {
        let kinds = [
            ("images", self.images.is_some() || self.labels.is_some()),
            ("tensors", self.tensors.is_some()),
            ("folders", self.folders.is_some()),
            ("cifar10", self.cifar10.is_some()),
            ("cifar100", self.cifar100.is_some()),
            ("voc", self.voc.is_some()),
            ("coco", self.coco.is_some()),
            ("yolo", self.yolo.is_some()),
            ("boxes", self.boxes.is_some()),
            ("landmarks", self.landmarks.is_some()),
        ];
        kinds.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// Whether exactly one kind is given, and all of it.
    fn is_clear(&self) -> bool {
        let whole = self.images.is_some() == self.labels.is_some();
        let some = [&self.cifar10, &self.cifar100].into_iter().flatten().all(|files| !files.is_empty());
        self.kinds().len() == 1 && whole && some
    }

    /// All paths, with their keys.
    fn paths(&self) -> Vec<(&'static str, &Path, Is)> {
        let mut paths = Vec::new();
        let single = [("images", &self.images), ("labels", &self.labels), ("tensors", &self.tensors)];
        paths.extend(single.into_iter().filter_map(|(key, path)| Some((key, path.as_deref()?, Is::File))));
        paths.extend(self.folders.as_deref().map(|path| ("folders", path, Is::Folder)));
        for (key, files) in [("cifar10", &self.cifar10), ("cifar100", &self.cifar100)] {
            paths.extend(files.iter().flatten().map(|path| (key, path.as_path(), Is::File)));
        }
        let annotated =
            [(&self.voc, Is::Folder), (&self.coco, Is::File), (&self.yolo, Is::Folder), (&self.landmarks, Is::File)];
        for (annotated, is) in annotated {
            let Some(Annotated { images, annotations }) = annotated else { continue };
            paths.extend([("annotations", annotations.as_path(), is), ("images", images.as_path(), Is::Folder)]);
        }
        if let Some(Tabled { images, annotations, .. }) = &self.boxes {
            paths.extend([("annotations", annotations.as_path(), Is::File), ("images", images.as_path(), Is::Folder)]);
        }
        paths
    }

    /// For the job, with paths found from `folder`.
    fn files(&self, folder: &Path) -> Files {
        let at = |path: &PathBuf| folder.join(path);
        let all = |files: &[PathBuf]| files.iter().map(at).collect();
        let beside = |a: &Annotated| (at(&a.annotations), at(&a.images));
        match self {
            Self { tensors: Some(path), .. } => Files::Tensors { path: at(path) },
            Self { folders: Some(root), .. } => Files::Folders { root: at(root) },
            Self { cifar10: Some(files), .. } => Files::Cifar { kind: Cifar::Ten, files: all(files) },
            Self { cifar100: Some(files), .. } => Files::Cifar { kind: Cifar::Hundred, files: all(files) },
            Self { voc: Some(voc), .. } => {
                let (annotations, images) = beside(voc);
                Files::Voc { annotations, images }
            }
            Self { coco: Some(coco), .. } => {
                let (annotations, images) = beside(coco);
                Files::Coco { annotations, images }
            }
            Self { yolo: Some(yolo), .. } => {
                let (labels, images) = beside(yolo);
                Files::Yolo { labels, images }
            }
            Self { boxes: Some(Tabled { images, annotations, split }), .. } => {
                Files::Boxes { table: at(annotations), images: at(images), split: split.clone() }
            }
            Self { landmarks: Some(landmarks), .. } => {
                let (points, images) = beside(landmarks);
                Files::Landmarks { points, images }
            }
            Self { images, labels, .. } => {
                let or_none = |path: &Option<PathBuf>| folder.join(path.as_deref().unwrap_or(Path::new("")));
                Files::Idx { images: or_none(images), labels: or_none(labels) }
            }
        }
    }
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

    /// Which net with which values, and which of its weights stay as they are.
    pub fn net(&self, named: &Named) -> Result<NetOptions, Failed> {
        let text = |value: &serde_yaml::Value| serde_json::to_string(value).unwrap_or_default();
        let set = self.written.set.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let net = NetOptions { which: Which { set, net: self.written.net.clone() }, ..NetOptions::default() };
        match &self.written.transfer {
            None => Ok(net),
            Some(transfer) => Ok(NetOptions { freeze: self.frozen(&transfer.train, &named.elaborate(&net)?)?, ..net }),
        }
    }

    /// The weights in front of those that are trained.
    fn frozen(&self, trained: &Trained, graph: &Graph) -> Result<Vec<String>, Failed> {
        let first = trained.first(&graph.params).ok_or_else(|| self.no_such_layers(trained, &graph.params))?;
        let stays = graph.params[..first].iter().filter(|param| param.role == Role::Trained);
        Ok(stays.map(|param| param.name.clone()).collect())
    }

    fn no_such_layers(&self, trained: &Trained, params: &[Param]) -> Failed {
        let page = Page::new(&self.path, &self.text);
        let wrong = Diagnostic::new(page.in_transfer("train"), "there are no such layers to train");
        let Trained::From(name) = trained else {
            return page.failed(&[wrong.fits(format!("1 to {}: layers with filters", layers(params).len()))]);
        };
        let wrong = wrong
            .found(format!("no weight is named `{name}` or starts with `{name}.`"))
            .fits("the name of a layer or a block call; `cnnc summary` lists the names of weights");
        page.failed(&[match nearest(name, params.iter().flat_map(|param| prefixes(&param.name))) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong,
        }])
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
            data: self.source(&self.written.data.train),
            test: self.written.data.test.as_ref().map(|t| self.source(t)),
            picture: self.picture.clone(),
            classes: self.classes.clone(),
            batch: self.written.batch,
            epochs: self.epochs,
            optimizer: self.written.optimizer,
            schedule: self.written.schedule.clone(),
            decay_on: self.written.decay_on,
            clip: self.written.clip,
            accumulate: self.written.accumulate,
            average: self.written.average,
            patience: self.written.early_stopping,
            init: self.written.init,
            augment: self.written.augment.clone(),
            targets: self.targets(),
            checkpoints: Checkpoints { folder, resume, every_steps: self.written.save_every, recipe },
            weights: self.written.weights.as_ref().map(|w| self.home().join(w)),
            transfer: self.written.transfer.as_ref().map(|transfer| self.home().join(&transfer.from)),
            output: self.output(),
            show: self.written.show.as_ref().map_or(Show::HeldOut, |file| Show::File(self.home().join(file))),
        })))
    }

    /// The job of evaluation on the held-out data.
    pub fn eval(&self, machine: Machine, weights: Vec<PathBuf>, crops: usize, json: bool) -> Result<Job, Failed> {
        let data = self.written.data.test.as_ref().unwrap_or(&self.written.data.train);
        if crops > 1 && data.tensors.is_some() {
            return Err(Failed::input("the recipe is evaluated on tensors\nfits: no `--crops`, which is for pictures"));
        }
        Ok(Job::Eval(job::Eval {
            machine,
            weights,
            crops,
            data: self.source(data),
            targets: self.targets(),
            classes: self.classes.clone(),
            picture: Some(self.picture.clone()),
            batch: self.written.batch,
            json,
        }))
    }
}

/// What training leaves in its folder.
const RESULTS: [&str; 5] = ["weights.safetensors", "best.safetensors", "last.safetensors", "epochs.csv", "report.html"];

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
        if !(1..=65_536).contains(&recipe.accumulate) {
            wrong("accumulate", recipe.accumulate.to_string(), "a whole number from 1 to 65536");
        }
        if let Some(average) = recipe.average.filter(|average| !(0.0..1.0).contains(average)) {
            wrong("average", average.to_string(), "a number from 0 to below 1; 0.999 is usual");
        }
        if recipe.early_stopping == Some(0) {
            wrong("early_stopping", "0".to_owned(), "a whole number of epochs, at least 1");
        }
        let mut checks = vec![("optimizer", recipe.optimizer.check()), ("schedule", recipe.schedule.check())];
        checks.extend(recipe.clip.map(|clip| ("clip", clip.check())));
        checks.extend(recipe.augment.0.iter().map(|step| (step.name(), step.check())));
        for (name, result) in checks {
            if let Err(text) = result {
                let inner = text.split('`').nth(1).unwrap_or(name).to_owned();
                let place = self.yaml.key(&inner).map_or_else(|| self.yaml.at(name), |key| self.yaml.value(key));
                mistakes.push(Diagnostic::new(place, text));
            }
        }
        for (name, images) in [("train", Some(&recipe.data.train)), ("test", recipe.data.test.as_ref())] {
            let Some(images) = images else { continue };
            if !images.is_clear() {
                let place = self.part(name).unwrap_or_else(|| self.yaml.span(0, 0));
                mistakes.push(
                    Diagnostic::new(place, format!("`{name}` does not say where its data is")).fits(
                        "one of `images` with `labels` (IDX files, as MNIST has them), `tensors` (a safetensors or .npz file), \
                         `folders`, `cifar10`, `cifar100`, `voc`, `coco`, `yolo`, `boxes` and `landmarks`",
                    ),
                );
            }
        }
        if recipe.transfer.is_some() && recipe.weights.is_some() {
            let place = self.yaml.key("weights").unwrap_or_else(|| self.yaml.span(0, 0));
            mistakes.push(
                Diagnostic::new(place, "a run cannot start from `weights` and from `transfer`")
                    .fits("`weights` for all weights of this network, `transfer` for those of another one that fit"),
            );
        }
        if mistakes.is_empty() { Ok(()) } else { Err(self.failed(&mistakes)) }
    }

    /// The key of a part of the data, or any other.
    fn part(&self, name: &str) -> Option<Span> {
        let data = self.yaml.key("data").map_or(0, |data| data.end as usize);
        let of_data = ["train", "test"].contains(&name).then(|| self.yaml.key_from(name, data)).flatten();
        of_data.or_else(|| self.yaml.key(name))
    }

    /// The value of a key of `transfer`, or that key itself.
    fn in_transfer(&self, key: &str) -> Span {
        let Some(transfer) = self.yaml.key("transfer") else { return self.yaml.span(0, 0) };
        let key = self.yaml.key_from(key, transfer.end as usize);
        key.map_or(transfer, |key| self.yaml.value(key))
    }

    /// Files that must be there.
    fn found(&self, recipe: &Recipe) -> Result<(), Failed> {
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
            };
            if there {
                continue;
            }
            // Several parts have keys of this name.
            let after = match part {
                "" => 0,
                part => self.part(part).map_or(0, |part| part.end as usize),
            };
            let place = self.yaml.key_from(key, after).map_or_else(|| self.yaml.at(key), |key| self.yaml.value(key));
            mistakes.push(Diagnostic::new(place, missing).found(full.display().to_string()).fits(
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
