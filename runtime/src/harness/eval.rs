//! `cnnc eval`

use std::format;
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec;
use std::vec::Vec;

use serde_json::json;

use super::about::About;
use super::detect::Precision;
use super::draw::percent;
use super::{Failure, Harness, Reading, load, thousands};
use crate::augment::{Pipeline, crops};
use crate::data::{Dataset, Picture};
use crate::draw::roc;
use crate::files::{FileError, write_atomically};
use crate::job::Eval;
use crate::metrics::{ClassMetrics, Confusion, Roc};
use crate::train::{Answers, Metrics, evaluate};
use crate::{Network, Spec, weights};

/// Sides of the pieces that answers are averaged over, as a share of the picture's: 224 of 256 pixels.
const SHARE: f32 = 0.875;

impl Harness<'_> {
    /// Prints loss and accuracy of given weights, or the average precision of a detector.
    pub(super) fn eval(&mut self, job: &Eval) -> Result<(), Failure> {
        let mut network = self.network(&job.machine, None, job.batch)?;
        let [first, others @ ..] = &job.weights[..] else { return Err(Failure::new("there are no weights")) };
        let loaded = weights::load(&mut *network, first)?;
        let about = About::read(loaded.metadata.as_deref());
        let views = views(job, network.spec(), about.picture.as_ref())?;
        let classes = if job.classes.is_empty() { &about.classes } else { &job.classes };
        if let Some(precision) = Precision::measure(&mut *network, &views[0], job.batch)? {
            return match (&views[..], others) {
                ([_], []) => self.print_precision(&precision, classes, job.json),
                _ => Err(Failure::new(
                    "boxes are not averaged: a detector takes one file of weights, and whole pictures",
                )),
            };
        }
        let metrics = match (&views[..], others) {
            ([all], []) => evaluate(&mut *network, all, job.batch)?,
            _ => averaged(&mut *network, others, &views, job.batch)?,
        };
        if metrics.is_empty() {
            let compares = if views.len() > 1 || !others.is_empty() { "; embeddings are not averaged" } else { "" };
            let message = format!("no output of {} has the shape of a target{compares}", network.spec().name);
            return Err(Failure::new(message));
        }
        let drawn = draw_roc(&metrics, network.spec(), &job.roc)?;
        if job.json {
            return Ok(writeln!(self.out, "{:#}", as_json(&metrics, classes, job))?);
        }
        self.say_what_is_averaged(job)?;
        self.print_metrics(&metrics)?;
        match drawn {
            true => Ok(writeln!(self.out, "ROC curve: {}", job.roc.display())?),
            false => Ok(()),
        }
    }

    fn say_what_is_averaged(&mut self, job: &Eval) -> Result<(), Failure> {
        let networks = (job.weights.len() > 1).then(|| format!("{} networks", job.weights.len()));
        let crops = (job.crops > 1).then(|| format!("{} pieces of each picture", job.crops));
        let parts: Vec<String> = networks.into_iter().chain(crops).collect();
        if !parts.is_empty() {
            writeln!(self.out, "mean of {}", parts.join(" and "))?;
        }
        Ok(())
    }

    fn print_metrics(&mut self, metrics: &Metrics) -> Result<(), Failure> {
        for metric in &metrics.metrics {
            if metrics.metrics.len() > 1 {
                writeln!(self.out, "{} for {}", metric.output, metric.target)?;
            }
            writeln!(self.out, "loss: {:.6}", metric.loss)?;
            if let (Some(accuracy), Some(correct)) = (metric.accuracy, metric.correct) {
                writeln!(
                    self.out,
                    "accuracy: {} ({} of {})",
                    percent(accuracy).trim_start(),
                    thousands(correct),
                    thousands(metrics.images)
                )?;
            }
            if let Some(top5) = metric.top5 {
                writeln!(self.out, "top-5 accuracy: {}", percent(top5).trim_start())?;
            }
            if let Some(confusion) = &metric.confusion {
                let mean = confusion.mean();
                let [precision, recall, f1] = [mean.precision, mean.recall, mean.f1].map(percent);
                let [precision, recall, f1] = [&precision, &recall, &f1].map(|text| text.trim_start());
                writeln!(self.out, "mean over classes: precision {precision}, recall {recall}, F1 {f1}")?;
            }
            for line in metric.roc.iter().map(verification_line).chain(metric.pck.map(pck_line)) {
                writeln!(self.out, "{line}")?;
            }
        }
        if let Some(roc) = &metrics.verification {
            writeln!(self.out, "embeddings: {}", verification_line(roc))?;
        }
        Ok(())
    }
}

/// `AUC: 98.21 %, equal error rate 4.10 % at 0.4983`
pub(super) fn verification_line(roc: &Roc) -> String {
    let (error, threshold) = roc.equal_error();
    let [auc, error] = [roc.auc(), error].map(percent);
    format!("AUC: {}, equal error rate {} at {threshold:.4}", auc.trim_start(), error.trim_start())
}

/// `PCK@0.1: 83.10 %`
pub(super) fn pck_line(pck: f64) -> String {
    format!("PCK@0.1: {}", percent(pck).trim_start())
}

/// Draws how well a network tells same from different, and says whether it does so at all.
fn draw_roc(metrics: &Metrics, spec: &Spec, path: &Path) -> Result<bool, FileError> {
    let verifiers: Vec<_> = metrics.rocs().collect();
    if verifiers.is_empty() {
        return Ok(false);
    }
    let picture = roc(&format!("{}: {} images", spec.name, thousands(metrics.images)), &verifiers);
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|e| FileError::io(folder, &e))?;
    write_atomically(path, |file| file.write_all(picture.as_bytes()))?;
    Ok(true)
}

fn verification_json(roc: &Roc) -> serde_json::Value {
    let (error, threshold) = roc.equal_error();
    let points: Vec<[f64; 2]> = roc.points().iter().map(|p| [p.false_positive_rate, p.true_positive_rate]).collect();
    json!({ "auc": roc.auc(), "equal_error_rate": error, "threshold": threshold, "roc": points })
}

/// The data as it is, or once for each of the pieces that answers are averaged over.
fn views(job: &Eval, spec: &Spec, picture: Option<&Picture>) -> Result<Vec<Dataset>, Failure> {
    let pipelines = if job.crops > 1 { crops(SHARE, job.crops > 5) } else { vec![Pipeline::default()] };
    let picture = job.picture.as_ref().or(picture).cloned().unwrap_or_default();
    let view = |augment: Pipeline| {
        let reading = Reading { classes: &job.classes, picture: picture.clone(), augment, targets: &job.targets };
        Ok(load(&job.data, spec, reading)?)
    };
    pipelines.into_iter().map(view).collect()
}

/// The mean answers of a network as it is and with other weights, to all views of the data.
fn averaged(
    network: &mut dyn Network,
    others: &[PathBuf],
    views: &[Dataset],
    batch: usize,
) -> Result<Metrics, Failure> {
    let mut answers = Answers::new(network.spec());
    views.iter().try_for_each(|view| answers.add(network, view, batch))?;
    for path in others {
        weights::load(network, path)?;
        views.iter().try_for_each(|view| answers.add(network, view, batch))?;
    }
    Ok(answers.metrics(&views[0], batch)?)
}

/// How well each class is told from the others.
fn by_class(confusion: &Confusion, names: &[String]) -> serde_json::Value {
    let one = |class: usize| {
        let ClassMetrics { support, precision, recall, f1 } = confusion.class(class);
        let name = super::predict::class_name(names, class);
        json!({ "name": name, "images": support, "precision": precision, "recall": recall, "f1": f1 })
    };
    (0..confusion.classes()).map(one).collect()
}

fn as_json(metrics: &Metrics, classes: &[String], job: &Eval) -> serde_json::Value {
    let outputs: Vec<_> = metrics
        .metrics
        .iter()
        .map(|metric| {
            json!({
                "output": metric.output,
                "target": metric.target,
                "loss": metric.loss,
                "accuracy": metric.accuracy,
                "correct": metric.correct,
                "top5": metric.top5,
                "verification": metric.roc.as_ref().map(verification_json),
                "pck": metric.pck,
                "classes": metric.confusion.as_ref().map(|confusion| by_class(confusion, classes)),
            })
        })
        .collect();
    json!({
        "images": metrics.images,
        "networks": job.weights.len(),
        "crops": job.crops,
        "loss": metrics.loss(),
        "accuracy": metrics.accuracy(),
        "embeddings": metrics.verification.as_ref().map(verification_json),
        "outputs": outputs,
    })
}
