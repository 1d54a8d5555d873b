//! `cnnc predict` for networks that tell classes apart.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use serde_json::json;

use super::about::About;
use super::draw::{self, Guess, percent};
use super::{Failure, Harness, Keep};
use crate::boxes::Detector;
use crate::data::{Picture, Raster};
use crate::files::FileError;
use crate::job::Predict;
use crate::{Network, Spec, TargetKind, ValueSpec, weights};

/// More classes than this are not all drawn.
const MOST_BARS: usize = 12;

impl Harness<'_> {
    /// Classifies pictures, or finds things in them.
    pub(super) fn predict(&mut self, job: &Predict) -> Result<(), Failure> {
        let mut network = self.network(&job.machine, None, 1, Keep::default())?;
        let loaded = weights::load(&mut *network, &job.weights)?;
        let about = About::read(loaded.metadata.as_deref());
        let picture = job.picture.clone().or(about.picture).unwrap_or_default();
        let classes = if job.classes.is_empty() { about.classes } else { job.classes.clone() };
        if let Some(detector) = Detector::of(network.spec()) {
            return self.find(&mut *network, detector, job, &picture, &classes);
        }
        if job.output.is_some() {
            let message = format!("{} has no output of boxes, so there is nothing to draw", network.spec().name);
            return Err(Failure::new(message));
        }
        let mut answers = Vec::new();
        for path in &job.files {
            let raster = Raster::read(path)?;
            let input = to_input(&raster, network.spec(), &picture).map_err(|m| FileError::new(path, m))?;
            let mut guesses = guess(&mut *network, &input, &classes)?;
            guesses.truncate(job.top.max(1));
            if job.json {
                answers.push(as_json(&path.display().to_string(), &guesses));
                continue;
            }
            let best = &guesses[0];
            writeln!(self.out, "{}: {} ({})", path.display(), best.name, percent(best.probability.into()).trim())?;
            let bars = draw::bars(&guesses);
            let lines = match self.terminal {
                true => draw::beside(&draw::picture(&raster, self.color), draw::width(&raster), &bars),
                false => bars,
            };
            lines.iter().try_for_each(|line| writeln!(self.out, "  {line}"))?;
        }
        if job.json {
            writeln!(self.out, "{:#}", serde_json::Value::Array(answers))?;
        }
        Ok(())
    }

    /// Classifies one picture and draws it as the network sees it.
    pub(super) fn classify(
        &mut self,
        network: &mut dyn Network,
        raster: &Raster,
        picture: &Picture,
        classes: &[String],
        name: &str,
        label: Option<String>,
    ) -> Result<(), Failure> {
        let input = to_input(raster, network.spec(), picture).map_err(|message| format!("{name}: {message}"))?;
        let shape = network.spec().inputs[0].shape;
        let plain = Picture { invert: picture.invert, ..Picture::default() };
        let seen = raster.to_input(shape, &plain).and_then(|seen| Raster::from_tensor(&seen, shape, (0.0, 1.0)))?;
        self.print_guesses(network, &input, &seen, classes, name, label)
    }

    pub(super) fn print_guesses(
        &mut self,
        network: &mut dyn Network,
        input: &[f32],
        raster: &Raster,
        classes: &[String],
        name: &str,
        label: Option<String>,
    ) -> Result<(), Failure> {
        let mut guesses = guess(network, input, classes)?;
        let best = guesses[0].clone();
        guesses.truncate(MOST_BARS);
        guesses.sort_by_key(|guess| guess.class);
        let picture = draw::picture(raster, self.color);
        writeln!(self.out)?;
        for line in draw::beside(&picture, draw::width(raster), &draw::bars(&guesses)) {
            writeln!(self.out, "{}", format!("  {line}").trim_end())?;
        }
        let probability = percent(best.probability.into());
        let truth = label.map_or(String::new(), |label| format!(", which is {label}"));
        writeln!(self.out, "\n{name}{truth}: the network says {} ({})", best.name, probability.trim_start())?;
        Ok(())
    }
}

/// The output that tells classes apart, and how many there are: that of the first class target, or the first one of one
/// dimension.
pub(super) fn class_output(spec: &Spec) -> Result<(usize, usize), String> {
    let of_target = spec.targets.iter().find_map(|target| match target.kind {
        TargetKind::Class(classes) => spec.outputs.iter().position(|output| output.shape == [classes]),
        TargetKind::Float => None,
    });
    let index = of_target.or_else(|| spec.outputs.iter().position(|output| output.shape.len() == 1));
    let index = index.ok_or_else(|| format!("{} has no output of one number per class", spec.name))?;
    Ok((index, spec.outputs[index].image_len()))
}

/// The name of a class, or its number.
pub(super) fn class_name(classes: &[String], class: usize) -> String {
    classes.get(class).cloned().unwrap_or_else(|| class.to_string())
}

/// The only input of a network from a picture.
pub(super) fn to_input(raster: &Raster, spec: &Spec, picture: &Picture) -> Result<Vec<f32>, String> {
    let needed: Vec<&ValueSpec> = spec.inputs.iter().filter(|input| input.infers).collect();
    match needed[..] {
        [input] if spec.inputs.len() == 1 => raster.to_input(input.shape, picture),
        _ => Err(format!(
            "{} has {} inputs, but a picture is one; `cnnc run` takes any tensors",
            spec.name,
            needed.len()
        )),
    }
}

/// All classes, the most probable first.
fn guess(network: &mut dyn Network, input: &[f32], classes: &[String]) -> Result<Vec<Guess>, Failure> {
    let (index, _) = class_output(network.spec())?;
    network.infer(1, &[input])?;
    let y = network.output(index);
    let mut guesses: Vec<Guess> = probabilities(y)
        .into_iter()
        .enumerate()
        .map(|(class, probability)| Guess { class, name: class_name(classes, class), probability })
        .collect();
    guesses.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.class.cmp(&b.class)));
    Ok(guesses)
}

/// Outputs that are no probabilities are taken for their logarithms up to a constant.
fn probabilities(y: &[f32]) -> Vec<f32> {
    let sum: f32 = y.iter().sum();
    if y.iter().all(|&y| y >= 0.0) && (sum - 1.0).abs() < 1e-3 {
        return y.to_vec();
    }
    let most = y.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = y.iter().map(|y| (y - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

fn as_json(file: &str, guesses: &[Guess]) -> serde_json::Value {
    let one = |guess: &Guess| json!({ "class": guess.class, "name": guess.name, "probability": guess.probability });
    json!({
        "file": file,
        "class": guesses[0].class,
        "name": guesses[0].name,
        "probability": guesses[0].probability,
        "top": guesses.iter().map(one).collect::<Vec<_>>(),
    })
}
