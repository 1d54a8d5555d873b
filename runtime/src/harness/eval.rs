//! `cnnc eval`

use std::format;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use serde_json::{Map, json};

use super::about::About;
use super::confusion::{picture, table};
use super::detect::precision_json;
use super::draw::percent;
use super::{Failure, Harness, Keep, Reading, load, thousands};
use crate::augment::{Pipeline, crops};
use crate::boxes::Detector;
use crate::data::{Answer, Dataset, Picture};
use crate::draw::roc;
use crate::files::{FileError, write_atomically};
use crate::job::Eval;
use crate::metrics::{ClassMetrics, Confusion, Roc};
use crate::train::{Answers, Metric, Metrics, evaluate_by};
use crate::{Network, Spec, ValueSpec, weights};

/// Sides of the pieces that answers are averaged over, as a share of the picture's: 224 of 256 pixels.
const SHARE: f32 = 0.875;

impl Harness<'_> {
    /// Prints all that is measured of given weights on a data set, and draws curves and what was taken for what.
    pub(super) fn eval(&mut self, job: &Eval) -> Result<(), Failure> {
        let mut network = self.network(&job.machine, None, job.batch, Keep::default())?;
        let [first, others @ ..] = &job.weights[..] else { return Err(Failure::new("there are no weights")) };
        let loaded = weights::load(&mut *network, first)?;
        let about = About::read(loaded.metadata.as_deref());
        let views = views(job, network.spec(), about.picture.as_ref())?;
        if let Some(target) = place(network.spec(), &views[0]).filter(|_| views.len() > 1) {
            let message =
                format!("`{target}` says where things are, which each piece of a picture has its own answer to");
            return Err(Failure::new(format!("{message}: it is compared for whole pictures, without `--crops`")));
        }
        let classes = if job.classes.is_empty() { &about.classes } else { &job.classes };
        let metrics = match (&views[..], others) {
            ([all], []) => evaluate_by(&mut *network, all, job.batch, &job.measures)?,
            _ if Detector::of(network.spec()).is_some() && views[0].has_boxes() => {
                let message = "boxes are not averaged: a detector takes one file of weights, and whole pictures";
                return Err(Failure::new(message));
            }
            _ => averaged(&mut *network, others, &views, job)?,
        };
        if metrics.is_empty() {
            let compares = if views.len() > 1 || !others.is_empty() { "; embeddings are not averaged" } else { "" };
            let message = format!("no output of {} has the shape of a target{compares}", network.spec().name);
            return Err(Failure::new(message));
        }
        if job.json {
            writeln!(self.out, "{:#}", as_json(&metrics, classes, job))?;
        } else {
            self.say_what_is_averaged(job)?;
            self.print_metrics(&metrics, classes)?;
        }
        // What was measured is out before a file is written, which may fail.
        self.out.flush()?;
        self.draw(&metrics, classes, network.spec(), job)
    }

    /// Draws what there is to draw, and says where it is.
    fn draw(&mut self, metrics: &Metrics, classes: &[String], spec: &Spec, job: &Eval) -> Result<(), Failure> {
        if draw_confusion(metrics, classes, &job.confusion)? && !job.json {
            writeln!(self.out, "confusion matrix: {}", job.confusion.display())?;
        }
        if draw_roc(metrics, spec, &job.roc)? && !job.json {
            writeln!(self.out, "ROC curve: {}", job.roc.display())?;
        }
        Ok(())
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

    fn print_metrics(&mut self, metrics: &Metrics, classes: &[String]) -> Result<(), Failure> {
        if let Some(boxes) = &metrics.boxes {
            self.print_precision(boxes, metrics.images, classes)?;
        }
        for metric in &metrics.metrics {
            if metrics.metrics.len() > 1 {
                writeln!(self.out, "{} for {}", metric.output, metric.target)?;
            }
            writeln!(self.out, "loss: {:.6}", metric.loss)?;
            if let Some(confusion) = &metric.confusion {
                self.print_classes(metric, confusion, classes)?;
            }
            if let Some(roc) = &metric.roc {
                writeln!(self.out, "{}\n{}", verification_line(roc), threshold_line(roc))?;
            }
            if let Some(pck) = metric.pck {
                writeln!(self.out, "{}", pck_line(pck))?;
            }
        }
        if let Some(roc) = &metrics.verification {
            writeln!(self.out, "embeddings: {}\n{}", verification_line(roc), threshold_line(roc))?;
        }
        Ok(())
    }

    /// How well classes are told apart.
    fn print_classes(&mut self, metric: &Metric, confusion: &Confusion, classes: &[String]) -> Result<(), Failure> {
        if let Some(accuracy) = metric.accuracy().map(percent) {
            let [right, all] = [confusion.correct(), confusion.total()].map(thousands);
            let of = if metric.mean_iou.is_some() { format!("{all} pixels") } else { all };
            writeln!(self.out, "accuracy: {} ({right} of {of})", accuracy.trim_start())?;
        }
        for (k, share) in &metric.top {
            writeln!(self.out, "top-{k} accuracy: {}", percent(*share).trim_start())?;
        }
        if let Some(iou) = metric.mean_iou {
            writeln!(self.out, "{}", iou_line(iou))?;
        }
        let mean = confusion.mean();
        let [precision, recall, f1] = [mean.precision, mean.recall, mean.f1].map(percent);
        let [precision, recall, f1] = [&precision, &recall, &f1].map(|text| text.trim_start());
        writeln!(self.out, "mean over classes: precision {precision}, recall {recall}, F1 {f1}")?;
        let lines = table(confusion, classes);
        if !lines.is_empty() {
            writeln!(self.out, "what is (a row) was taken for what (a column):")?;
        }
        lines.iter().try_for_each(|line| Ok(writeln!(self.out, "{line}")?))
    }
}

/// `AUC: 98.21 %, equal error rate 4.10 % at 0.4983`
pub(super) fn verification_line(roc: &Roc) -> String {
    let (error, threshold) = roc.equal_error();
    let [auc, error] = [roc.auc(), error].map(percent);
    format!("AUC: {}, equal error rate {} at {threshold:.4}", auc.trim_start(), error.trim_start())
}

/// `  best threshold: 0.5121, 97.20 % right`: what to accept from, to be right as often as can be.
fn threshold_line(roc: &Roc) -> String {
    let (threshold, right) = roc.best_threshold();
    format!("  best threshold: {threshold:.4}, {} right", percent(right).trim_start())
}

/// `PCK@0.1: 83.10 %`
pub(super) fn pck_line((near, found): (f32, f64)) -> String {
    format!("PCK@{near}: {}", percent(found).trim_start())
}

/// `mean IoU: 61.20 %`
pub(super) fn iou_line(iou: f64) -> String {
    format!("mean IoU: {}", percent(iou).trim_start())
}

/// Draws what was taken for what, and says whether there is anything to draw.
fn draw_confusion(metrics: &Metrics, classes: &[String], path: &Path) -> Result<bool, FileError> {
    let Some(picture) = picture(metrics, classes) else { return Ok(false) };
    make_folder_of(path)?;
    picture.write_png(path)?;
    Ok(true)
}

fn make_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|e| FileError::io(folder, &e))
}

/// Draws how well a network tells same from different, and says whether it does so at all.
fn draw_roc(metrics: &Metrics, spec: &Spec, path: &Path) -> Result<bool, FileError> {
    let verifiers: Vec<_> = metrics.rocs().collect();
    if verifiers.is_empty() {
        return Ok(false);
    }
    let picture = roc(&format!("{}: {} images", spec.name, thousands(metrics.images)), &verifiers);
    make_folder_of(path)?;
    write_atomically(path, |file| file.write_all(picture.as_bytes()))?;
    Ok(true)
}

fn verification_json(roc: &Roc) -> serde_json::Value {
    let (error, threshold) = roc.equal_error();
    let points: Vec<[f64; 2]> = roc.points().iter().map(|p| [p.false_positive_rate, p.true_positive_rate]).collect();
    let (best, right) = roc.best_threshold();
    json!({
        "auc": roc.auc(),
        "equal_error_rate": error,
        "threshold": threshold,
        "best_threshold": best,
        "best_accuracy": right,
        "roc": points,
    })
}

fn pck_json((near, found): (f32, f64)) -> serde_json::Value {
    // As people write it: the number that is nearest to 0.1 among `f32` is another one among `f64`.
    let near: f64 = near.to_string().parse().unwrap_or(near.into());
    json!({ "near": near, "found": found })
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

/// The name of the first target that is compared and says where something is, as a share of the picture or in its pixels: pieces of
/// the picture have other such places.
fn place(spec: &Spec, data: &Dataset) -> Option<&'static str> {
    let is_compared = |target: &ValueSpec| spec.outputs.iter().any(|output| output.shape == target.shape);
    let is_place = |target: usize| match data.answer(target) {
        Some(Answer::Box | Answer::Objects | Answer::Points | Answer::SeenPoints | Answer::Grid { .. }) => true,
        Some(Answer::Class | Answer::OneHot | Answer::Object | Answer::Same) | None => false,
    };
    let target = (0..).zip(spec.targets).find(|(i, target)| is_compared(target) && is_place(*i));
    target.map(|(_, target)| target.name)
}

/// The mean answers of a network as it is and with other weights, to all views of the data.
fn averaged(network: &mut dyn Network, others: &[PathBuf], views: &[Dataset], job: &Eval) -> Result<Metrics, Failure> {
    let (batch, mut answers) = (job.batch, Answers::new(network.spec()));
    views.iter().try_for_each(|view| answers.add(network, view, batch))?;
    for path in others {
        weights::load(network, path)?;
        views.iter().try_for_each(|view| answers.add(network, view, batch))?;
    }
    Ok(answers.metrics_by(&views[0], batch, &job.measures)?)
}

/// How well each class is told from the others, and of how many images, or of maps pixels.
fn by_class(confusion: &Confusion, counted: &str, names: &[String]) -> serde_json::Value {
    let one = |class: usize| {
        let ClassMetrics { support, precision, recall, f1 } = confusion.class(class);
        let name = super::predict::class_name(names, class);
        let iou = confusion.iou(class);
        json!({ "name": name, counted: support, "precision": precision, "recall": recall, "f1": f1, "iou": iou })
    };
    (0..confusion.classes()).map(one).collect()
}

/// A row for each class that is, with a number for each that it was taken for.
fn matrix(confusion: &Confusion) -> Vec<Vec<u64>> {
    let classes = 0..confusion.classes();
    classes.clone().map(|truth| classes.clone().map(|answer| confusion.count(truth, answer)).collect()).collect()
}

fn as_json(metrics: &Metrics, classes: &[String], job: &Eval) -> serde_json::Value {
    let outputs: Vec<_> = metrics
        .metrics
        .iter()
        .map(|metric| {
            let counted = if metric.mean_iou.is_some() { "pixels" } else { "images" };
            json!({
                "output": metric.output,
                "target": metric.target,
                "loss": metric.loss,
                "accuracy": metric.accuracy(),
                "correct": metric.correct(),
                "top": metric.top.iter().map(|(k, share)| (k.to_string(), json!(share))).collect::<Map<_, _>>(),
                "mean_iou": metric.mean_iou,
                "verification": metric.roc.as_ref().map(verification_json),
                "pck": metric.pck.map(pck_json),
                "classes": metric.confusion.as_ref().map(|confusion| by_class(confusion, counted, classes)),
                "confusion": metric.confusion.as_ref().map(matrix),
            })
        })
        .collect();
    let mut all = json!({
        "images": metrics.images,
        "networks": job.weights.len(),
        "crops": job.crops,
        "loss": metrics.loss(),
        "accuracy": metrics.accuracy(),
        "embeddings": metrics.verification.as_ref().map(verification_json),
        "outputs": outputs,
    });
    if let (Some(all), Some(boxes)) = (all.as_object_mut(), &metrics.boxes) {
        all.extend(precision_json(boxes, classes));
    }
    all
}
