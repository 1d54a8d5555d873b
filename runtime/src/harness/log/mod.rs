//! What is written of a run beside its checkpoints: a table of its epochs, event files for TensorBoard, and a page with curves.

mod page;
mod tensorboard;

use std::path::{Path, PathBuf};

use crate::files::{FileError, write_atomically};
use crate::train::Epoch;
use tensorboard::Events;

const HEADING: &str = "epoch,learning_rate,loss,accuracy,held_out_loss,held_out_accuracy";

/// An epoch in the table.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    /// From 1.
    epoch: u64,
    learning_rate: f64,
    loss: f64,
    accuracy: Option<f64>,
    held_out_loss: Option<f64>,
    held_out_accuracy: Option<f64>,
}

impl Row {
    fn new(epoch: &Epoch) -> Self {
        Self {
            epoch: epoch.train.epoch + 1,
            learning_rate: epoch.train.learning_rate,
            loss: epoch.train.loss,
            accuracy: epoch.train.accuracy,
            held_out_loss: epoch.test.as_ref().and_then(crate::train::Metrics::loss),
            held_out_accuracy: epoch.test.as_ref().and_then(crate::train::Metrics::accuracy),
        }
    }

    /// Names as in TensorBoard, where a slash makes groups.
    fn scalars(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let scalars = [
            ("learning_rate", Some(self.learning_rate)),
            ("loss/learnt", Some(self.loss)),
            ("accuracy/learnt", self.accuracy),
            ("loss/held_out", self.held_out_loss),
            ("accuracy/held_out", self.held_out_accuracy),
        ];
        scalars.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    fn to_line(self) -> String {
        let optional = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
        format!(
            "{},{},{},{},{},{}",
            self.epoch,
            self.learning_rate,
            self.loss,
            optional(self.accuracy),
            optional(self.held_out_loss),
            optional(self.held_out_accuracy)
        )
    }

    fn from_line(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').collect();
        let &[epoch, learning_rate, loss, accuracy, held_out_loss, held_out_accuracy] = &fields[..] else {
            return None;
        };
        Some(Self {
            epoch: epoch.parse().ok()?,
            learning_rate: learning_rate.parse().ok()?,
            loss: loss.parse().ok()?,
            accuracy: accuracy.parse().ok(),
            held_out_loss: held_out_loss.parse().ok(),
            held_out_accuracy: held_out_accuracy.parse().ok(),
        })
    }
}

/// The log of a run, in its folder: `epochs.csv`, `report.html`, `events.out.tfevents.*`.
pub(super) struct Log {
    folder: PathBuf,
    title: String,
    rows: Vec<Row>,
    events: Option<Events>,
}

impl Log {
    pub(super) fn new(folder: &Path, title: String) -> Self {
        Self { folder: folder.to_owned(), title, rows: Vec::new(), events: None }
    }

    /// The run begins, or goes on behind so many epochs, of which the table knows.
    pub(super) fn start(&mut self, epochs: u64) -> Result<(), FileError> {
        let text = match epochs {
            0 => String::new(),
            _ => std::fs::read_to_string(self.table()).unwrap_or_default(),
        };
        self.rows = text.lines().skip(1).filter_map(Row::from_line).filter(|row| row.epoch <= epochs).collect();
        self.events = Some(Events::create(&self.folder)?);
        Ok(())
    }

    /// An epoch is over.
    pub(super) fn add(&mut self, epoch: &Epoch) -> Result<(), FileError> {
        let row = Row::new(epoch);
        self.rows.push(row);
        if let Some(events) = &mut self.events {
            row.scalars().try_for_each(|(name, value)| events.scalar(name, row.epoch, value))?;
            events.flush()?;
        }
        write_atomically(&self.table(), |file| {
            writeln!(file, "{HEADING}")?;
            self.rows.iter().try_for_each(|row| writeln!(file, "{}", row.to_line()))
        })?;
        let page = page::page(&self.title, &self.rows);
        write_atomically(&self.folder.join("report.html"), |file| file.write_all(page.as_bytes()))
    }

    fn table(&self) -> PathBuf {
        self.folder.join("epochs.csv")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use crate::train::Progress;

    fn epoch(number: u64) -> Epoch {
        let train = Progress {
            epoch: number,
            epochs: 3,
            step: 5,
            steps: 5,
            images: 10,
            of_images: 10,
            loss: 1.0 / (number + 1) as f64,
            accuracy: Some(0.5),
            learning_rate: 0.1,
        };
        Epoch { train, test: None, best: true }
    }

    #[test]
    fn a_log_goes_on_where_it_stopped() {
        let folder = Folder::new("log");
        let path = folder.path("");
        let mut log = Log::new(&path, "a <net>".into());
        log.start(0).expect("started");
        (0..3).try_for_each(|i| log.add(&epoch(i))).expect("written");
        // The last epoch was lost, and is made again.
        let mut log = Log::new(&path, "a <net>".into());
        log.start(2).expect("started");
        log.add(&epoch(2)).expect("written");
        let table = std::fs::read_to_string(path.join("epochs.csv")).expect("a table");
        assert_eq!(table.lines().count(), 4);
        assert_eq!(table.lines().nth(2), Some("2,0.1,0.5,0.5,,"));
        let page = std::fs::read_to_string(path.join("report.html")).expect("a page");
        assert!(page.contains("a &lt;net&gt;") && page.contains("<svg") && page.contains("polyline"));
        // Nothing is fetched from elsewhere.
        assert!(!page.contains("src=") && !page.contains("<script"));
    }
}
