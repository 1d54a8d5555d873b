//! `cnnc eval`

use serde_json::json;

use super::about::About;
use super::draw::percent;
use super::{Failure, Harness, load, thousands};
use crate::data::BatchData;
use crate::job::Eval;
use crate::train::{Metrics, evaluate};
use crate::weights;

impl Harness<'_> {
    /// Prints loss and accuracy of given weights.
    pub(super) fn eval(&mut self, job: &Eval) -> Result<(), Failure> {
        let mut network = self.network(&job.machine, 0, job.batch)?;
        let loaded = weights::load(&mut *network, &job.weights)?;
        let about = About::read(loaded.metadata.as_deref());
        let picture = job.picture.clone().or(about.picture).unwrap_or_default();
        let data = load(&job.data, network.spec(), &picture)?;
        let mut batch = BatchData::new(network.spec(), job.batch);
        let metrics = evaluate(&mut *network, &data, &mut batch, job.batch)?;
        if metrics.metrics.is_empty() {
            let message = std::format!("no output of {} has the shape of a target", network.spec().name);
            return Err(Failure::new(message));
        }
        match job.json {
            true => writeln!(self.out, "{:#}", as_json(&metrics))?,
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
        }
        Ok(())
    }
}

fn as_json(metrics: &Metrics) -> serde_json::Value {
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
