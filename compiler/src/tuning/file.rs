//! The text of a plan file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Choice, Choices, Mode, Tuning, Workload};
use crate::diagnostics::{Diagnostic, FileId, Outcome, SourceMap, Span, Yaml};
use crate::ops::tile_conv::Algorithm;

/// The format that this compiler reads and writes.
const FORMAT: u32 = 2;

const HEAD: &str = "\
# Written by `cnnc tune`: convolutions that measured faster otherwise than the compiler's model has them.
# us: microseconds in the network; model_us: those of the model's choice. Without this file the model's choices hold.
";

/// A plan file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a plan file")]
pub struct PlanFile {
    format: u32,
    /// Version of the compiler that measured.
    pub compiler: String,
    /// What was measured for deployment.
    pub inference: Option<Section>,
    /// What was measured for training.
    pub training: Option<Section>,
}

/// What was measured for one of the graphs of a network, and where.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "what was measured")]
pub struct Section {
    /// The processor.
    pub cpu: String,
    /// The instruction set.
    pub isa: String,
    /// Threads.
    pub threads: usize,
    /// Images of a pass.
    pub batch: usize,
    /// Milliseconds of a pass by the model alone.
    pub model_ms: f64,
    /// Milliseconds of a pass with these choices.
    pub ms: f64,
    /// What is computed otherwise than the model says.
    pub convolutions: BTreeMap<Workload, Entry>,
}

/// What was measured for a workload.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "`{ algorithm: direct, strips: 2, planes: 4, us: 12.5, model_us: 14.0 }`")]
pub struct Entry {
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Strips of an image.
    pub strips: usize,
    /// Images of a task.
    #[serde(default = "one")]
    pub images: usize,
    /// Blocks of filters of a task.
    pub planes: usize,
    /// Microseconds that this takes.
    pub us: f64,
    /// Microseconds that the model's choice takes.
    pub model_us: f64,
}

/// Images of a task where a plan file does not say.
fn one() -> usize {
    1
}

impl Default for PlanFile {
    fn default() -> Self {
        Self { format: FORMAT, compiler: env!("CARGO_PKG_VERSION").to_owned(), inference: None, training: None }
    }
}

impl Entry {
    /// What was chosen.
    pub fn choice(&self) -> Choice {
        Choice { algorithm: self.algorithm, strips: self.strips, images: self.images, planes: self.planes }
    }
}

impl PlanFile {
    /// This, but for one of the graphs what has been measured now.
    #[must_use]
    pub fn with(self, mode: Mode, section: Option<Section>) -> Self {
        let new = Self::default();
        match mode {
            Mode::Inference => Self { inference: section, training: self.training, ..new },
            Mode::Training => Self { inference: self.inference, training: section, ..new },
        }
    }

    /// What it says to the compiler.
    pub fn tuning(&self) -> Tuning {
        let choices = |section: &Option<Section>| -> Choices {
            section.iter().flat_map(|s| &s.convolutions).map(|(w, e)| (w.clone(), e.choice())).collect()
        };
        Tuning { inference: choices(&self.inference), training: choices(&self.training) }
    }

    /// The text of the file, a line for each convolution.
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}format: {}\ncompiler: {}\n", self.format, scalar(&self.compiler));
        for (name, section) in [("inference", &self.inference), ("training", &self.training)] {
            if let Some(section) = section {
                text += &format!("\n{name}:\n{}", section.text());
            }
        }
        text
    }
}

/// A string as YAML has it, quoted where it must be.
fn scalar(text: &str) -> String {
    serde_yaml::to_string(text).expect("strings serialize").trim_end().to_owned()
}

impl Section {
    fn text(&self) -> String {
        let Self { cpu, isa, threads, batch, model_ms, ms, convolutions } = self;
        let mut text = format!(
            "  cpu: {}\n  isa: {}\n  threads: {threads}\n  batch: {batch}\n  model_ms: {model_ms}\n  ms: {ms}\n  convolutions:{}\n",
            scalar(cpu),
            scalar(isa),
            if convolutions.is_empty() { " {}" } else { "" }
        );
        for (workload, Entry { algorithm, strips, images, planes, us, model_us }) in convolutions {
            let algorithm = algorithm.name();
            let images = if *images > 1 { format!("images: {images}, ") } else { String::new() };
            text += &format!(
                "    {workload}: {{ algorithm: {algorithm}, strips: {strips}, {images}planes: {planes}, us: {us}, model_us: {model_us} }}\n"
            );
        }
        text
    }
}

/// Reads and checks a plan file.
///
/// # Errors
/// Its mistakes: what is no plan file, and what no convolution can be computed by.
pub fn read(sources: &SourceMap, file: FileId) -> Outcome<PlanFile> {
    let yaml = Yaml { file, text: sources.text(file), what: "plan file", example };
    let plan: PlanFile = serde_yaml::from_str(yaml.text).map_err(|e| vec![yaml.unreadable(&e)])?;
    if plan.format != FORMAT {
        return Err(vec![
            Diagnostic::new(yaml.at("format"), "this plan file is of another version of cnnc")
                .found(format!("format {}", plan.format))
                .fits(format!("format {FORMAT}, which `cnnc tune` writes")),
        ]);
    }
    let mut mistakes = Vec::new();
    for (name, section) in [("inference", &plan.inference), ("training", &plan.training)] {
        let from = yaml.key(name).map_or(0, |key| key.end as usize);
        for (workload, entry) in section.iter().flat_map(|s| &s.convolutions) {
            mistakes.extend(mistake(&yaml, from, workload, entry));
        }
    }
    if mistakes.is_empty() { Ok(plan) } else { Err(mistakes) }
}

/// What of an entry of the section that starts at a byte does not fit its workload.
fn mistake(yaml: &Yaml<'_>, from: usize, workload: &Workload, entry: &Entry) -> Option<Diagnostic> {
    let line = place(yaml, from, &workload.to_string());
    let wrong = |name: &str, found: &dyn std::fmt::Display| {
        let span = yaml.key_from(name, line.end as usize).map_or(line, |key| yaml.value(key));
        Diagnostic::new(span, format!("`{name}` does not fit this convolution")).found(found.to_string())
    };
    if !workload.allows(entry.algorithm) {
        let fits: Vec<&str> = Algorithm::ALL.into_iter().filter(|a| workload.allows(*a)).map(Algorithm::name).collect();
        return Some(wrong("algorithm", &entry.algorithm.name()).fits(fits.join(", ")));
    }
    let (strips, images, blocks) =
        (workload.most_strips(entry.algorithm), workload.most_images(entry.algorithm), workload.blocks());
    if !(1..=strips).contains(&entry.strips) {
        return Some(wrong("strips", &entry.strips).fits(format!("1 to {strips}: an image is not cut into more")));
    }
    if !(1..=images).contains(&entry.images) || entry.images > 1 && entry.strips > 1 {
        let fits = format!("1 to {images}, more than 1 where an image is not cut into strips");
        return Some(wrong("images", &entry.images).fits(fits));
    }
    if !(1..=blocks).contains(&entry.planes) {
        let fits = format!("1 to {blocks}: the value has no more blocks of sixteen channels");
        return Some(wrong("planes", &entry.planes).fits(fits));
    }
    None
}

/// Where the entry of a workload stands, or its section where it is written in another way than `cnnc tune` does.
fn place(yaml: &Yaml<'_>, from: usize, key: &str) -> Span {
    let mut start = from;
    for line in yaml.text[from..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '"', '\'']).len();
        if line[indent..].starts_with(key) {
            return yaml.span(start + indent, start + indent + key.len());
        }
        start += line.len();
    }
    yaml.span(from, from)
}

/// How a key that is missing would be written.
fn example(key: &str) -> &'static str {
    match key {
        "format" => "`format: 2`",
        "algorithm" => "`algorithm: direct`",
        "strips" => "`strips: 2`",
        "planes" => "`planes: 4`",
        _ => "what `cnnc tune` writes",
    }
}
