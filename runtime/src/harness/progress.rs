//! A line per epoch, and a bar while one goes on.

use std::format;
use std::io::Write;
use std::ops::ControlFlow;
use std::string::String;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Failure;
use super::draw::percent;
use super::log::Log;
use super::thousands;
use crate::files::FileError;
use crate::train::{Epoch, Metrics, Observer, Progress};

/// How often the text beside the bar changes.
const REFRESH: Duration = Duration::from_millis(100);

/// Prints how learning goes. The bar goes to standard error, and only where that is a terminal.
pub(super) struct Lines<'a> {
    out: &'a mut dyn Write,
    bar: ProgressBar,
    /// When the present epoch began, or was gone on with, and how many of its images were seen then.
    epoch: Option<(Instant, usize)>,
    /// When the first step that was made here began, and its number in the whole run.
    run: Option<(Instant, u64)>,
    refreshed: Option<Instant>,
    /// Images per second of the present epoch.
    speed: f64,
    failure: Option<std::io::Error>,
    log: Log,
    /// The first file of the log that could not be written, which has been said.
    log_failure: Option<FileError>,
    /// Set by Ctrl-C.
    interrupted: &'a AtomicBool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(out: &'a mut dyn Write, log: Log, interrupted: &'a AtomicBool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} {wide_bar:.cyan/blue} {msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Self {
            out,
            bar,
            epoch: None,
            run: None,
            refreshed: None,
            speed: 0.0,
            failure: None,
            log,
            log_failure: None,
            interrupted,
        }
    }

    /// Removes the bar. What is given is the first file of the log that could not be written; an error is that of the first line that
    /// could not be printed.
    pub(super) fn finish(self) -> Result<Option<FileError>, Failure> {
        self.bar.finish_and_clear();
        self.failure.map_or(Ok(()), Err)?;
        Ok(self.log_failure)
    }

    /// Warns once, and at once, where the log cannot be written: what is learnt is worth more, so the run goes on.
    fn note(&mut self, written: Result<(), FileError>) {
        if let (Err(error), None) = (written, &self.log_failure) {
            // Where even this cannot be written, the end of the run says it again.
            let _ = self.bar.suspend(|| writeln!(std::io::stderr(), "warning: {error}\n  the run goes on"));
            self.log_failure = Some(error);
        }
    }

    fn time_left(&self, progress: &Progress) -> Duration {
        let Some((start, first)) = self.run else { return Duration::ZERO };
        let done = progress.epoch * progress.steps + progress.step;
        let left = progress.epochs * progress.steps - done;
        start.elapsed().mul_f64(left as f64 / (done - first).max(1) as f64)
    }
}

impl Observer for Lines<'_> {
    fn started(&mut self, epoch: u64, step: u64) {
        let started = self.log.start(epoch);
        self.note(started);
        if (epoch, step) != (0, 0) {
            let steps = if step > 0 { format!(" and {}", super::plural(step, "step")) } else { String::new() };
            let line = writeln!(self.out, "going on after {}{steps}", super::plural(epoch, "epoch"));
            self.failure = self.failure.take().or(line.err());
        }
        // Within an epoch, the first step shows how many images it goes on after.
        self.epoch = (step == 0).then(|| (Instant::now(), 0));
    }

    fn stepped(&mut self, progress: &Progress) -> ControlFlow<()> {
        let now = Instant::now();
        self.run.get_or_insert((now, progress.epoch * progress.steps + progress.step));
        let (start, seen) = *self.epoch.get_or_insert((now, progress.images));
        self.speed = (progress.images - seen) as f64 / (now - start).as_secs_f64().max(1e-9);
        if self.refreshed.is_none_or(|last| now - last >= REFRESH) && !self.bar.is_hidden() {
            self.refreshed = Some(now);
            self.bar.set_length(progress.steps);
            self.bar.set_position(progress.step);
            self.bar.set_prefix(format!("epoch {:>2}/{}", progress.epoch + 1, progress.epochs));
            let left = self.time_left(progress).as_secs();
            self.bar.set_message(format!(
                "{}  {} images/s  {}:{:02} left",
                scores(progress.loss, progress.accuracy),
                thousands(self.speed.round()),
                left / 60,
                left % 60
            ));
        }
        ControlFlow::Continue(())
    }

    /// Also where the lines cannot be printed any more: nobody follows this run.
    fn stop(&mut self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.failure.is_some()
    }

    fn epoch(&mut self, epoch: &Epoch) {
        let logged = self.log.add(epoch);
        self.note(logged);
        let train = &epoch.train;
        let width = format!("{}", train.epochs).len();
        let seconds = self.epoch.map_or(0.0, |(start, _)| start.elapsed().as_secs_f64());
        let mut line =
            format!("epoch {:>width$}/{}  {}", train.epoch + 1, train.epochs, scores(train.loss, train.accuracy));
        if let Some(test) = &epoch.test {
            line.push_str(&format!("  held out:{}", held_out(test)));
        }
        line.push_str(&format!("  {} images/s  {seconds:.2} s", thousands(self.speed.round())));
        if epoch.best {
            line.push_str("  best");
        }
        let out = &mut *self.out;
        let written = self.bar.suspend(|| writeln!(out, "{line}").and_then(|()| out.flush()));
        self.failure = self.failure.take().or(written.err());
        self.epoch = Some((Instant::now(), 0));
    }
}

/// ` loss 0.3102  accuracy 91.02 %`, with what else there is to say.
fn held_out(test: &Metrics) -> String {
    if test.is_empty() {
        return String::from(" nothing can be compared");
    }
    let parts = [
        test.loss().map(|loss| scores(loss, test.accuracy())),
        test.mean_iou().map(|iou| format!("mean IoU {}", percent(iou))),
        test.roc().map(|roc| format!("AUC {}  EER {}", percent(roc.auc()), percent(roc.equal_error().0))),
        test.pck().map(|(near, found)| format!("PCK@{near} {}", percent(found))),
        test.boxes.as_ref().map(|b| format!("mAP@0.5 {}  COCO mAP {}", percent(b.map50), percent(b.coco.ap.max(0.0)))),
    ];
    parts.into_iter().flatten().map(|part| format!(" {part} ")).collect::<String>().trim_end().into()
}

/// `loss 0.3102  accuracy 91.02 %`
fn scores(loss: f64, accuracy: Option<f64>) -> String {
    match accuracy {
        Some(accuracy) => format!("loss {loss:.4}  accuracy {}", percent(accuracy)),
        None => format!("loss {loss:.5}"),
    }
}
