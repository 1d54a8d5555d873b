//! `cnnc eval`

use serde_json::json;

use super::about::About;
use super::detect::Precision;
use super::draw::percent;
use super::{Failure, Harness, Reading, load, thousands};
use crate::job::Eval;
use crate::metrics::{ClassMetrics, Confusion};
use crate::train::{Metrics, evaluate};
use crate::weights;

impl Harness<'_> {
    /// Prints loss and accuracy of given weights, or the average precision of a detector.
    pub(super) fn eval(&mut self, job: &Eval) -> Result<(), Failure> {
        let mut network = self.network(&job.machine, 0, job.batch)?;
        let loaded = weights::load(&mut *network, &job.weights)?;
        let about = About::read(loaded.metadata.as_deref());
        let picture = job.picture.clone().or(about.picture).unwrap_or_default();
        let reading = Reading { classes: &job.classes, picture, targets: &job.targets, ..Reading::default() };
        let data = load(&job.data, network.spec(), reading)?;
        let classes = if job.classes.is_empty() { &about.classes } else { &job.classes };
        if let Some(precision) = Precision::measure(&mut *network, &data, job.batch)? {
            return self.print_precision(&precision, classes, job.json);
        }
        let metrics = evaluate(&mut *network, &data, job.batch)?;
        if metrics.metrics.is_empty() {
            let message = std::format!("no output of {} has the shape of a target", network.spec().name);
            return Err(Failure::new(message));
        }
        match job.json {
            true => writeln!(self.out, "{:#}", as_json(&metrics, classes))?,
            false => self.print_metrics(&metrics)?,
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
        }
        Ok(())
    }
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

fn as_json(metrics: &Metrics, classes: &[String]) -> serde_json::Value {
    let outputs: std::vec::Vec<_> = metrics
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
                "classes": metric.confusion.as_ref().map(|confusion| by_class(confusion, classes)),
            })
        })
        .collect();
    json!({
        "images": metrics.images,
        "loss": metrics.loss(),
        "accuracy": metrics.accuracy(),
        "outputs": outputs,
    })
}
