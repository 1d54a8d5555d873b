//! What is written of a run beside its checkpoints: a table of its epochs, event files for TensorBoard, and a page with curves.

mod page;
mod tensorboard;

use std::path::{Path, PathBuf};

use crate::files::{FileError, write_atomically};
use crate::metrics::Roc;
use crate::train::{Epoch, Metrics};
use tensorboard::Events;

/// What is measured on held-out data, in the order of the table.
const HELD_OUT: [&str; 8] = ["loss", "accuracy", "auc", "eer", "pck", "mean_iou", "map50", "coco_map"];

/// An epoch in the table.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    /// From 1.
    epoch: u64,
    learning_rate: f64,
    loss: f64,
    accuracy: Option<f64>,
    /// By the names of [`HELD_OUT`].
    held_out: [Option<f64>; HELD_OUT.len()],
}

impl Row {
    fn new(epoch: &Epoch) -> Self {
        let held_out = epoch.test.as_ref().map_or([None; HELD_OUT.len()], |test| {
            let (roc, boxes) = (test.roc(), test.boxes.as_ref());
            [
                test.loss(),
                test.accuracy(),
                roc.map(Roc::auc),
                roc.map(|roc| roc.equal_error().0),
                test.pck().map(|(_, found)| found),
                test.mean_iou(),
                boxes.map(|boxes| boxes.map50),
                // COCO says -1 where no box is to be found.
                boxes.map(|boxes| boxes.coco.ap).filter(|ap| *ap >= 0.0),
            ]
        });
        Self {
            epoch: epoch.train.epoch + 1,
            learning_rate: epoch.train.learning_rate,
            loss: epoch.train.loss,
            accuracy: epoch.train.accuracy,
            held_out,
        }
    }

    /// What was measured on held-out data.
    fn held_out(&self, name: &str) -> Option<f64> {
        HELD_OUT.iter().zip(self.held_out).find_map(|(known, value)| value.filter(|_| *known == name))
    }

    /// Names as in TensorBoard, where a slash makes groups.
    fn scalars(&self) -> impl Iterator<Item = (String, f64)> {
        let learnt = [
            ("learning_rate", Some(self.learning_rate)),
            ("loss/learnt", Some(self.loss)),
            ("accuracy/learnt", self.accuracy),
        ];
        let learnt = learnt.into_iter().map(|(name, value)| (String::from(name), value));
        let held_out = HELD_OUT.iter().map(|name| format!("{name}/held_out")).zip(self.held_out);
        learnt.chain(held_out).filter_map(|(name, value)| Some((name, value?)))
    }

    fn heading() -> String {
        let held_out = HELD_OUT.map(|name| format!(",held_out_{name}")).concat();
        format!("epoch,learning_rate,loss,accuracy{held_out}")
    }

    fn to_line(self) -> String {
        let optional = [self.accuracy].into_iter().chain(self.held_out);
        let rest: String = optional.map(|x| x.map_or(String::from(","), |x| format!(",{x}"))).collect();
        format!("{},{},{}{rest}", self.epoch, self.learning_rate, self.loss)
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        let (epoch, learning_rate, loss) = (fields.next()?, fields.next()?, fields.next()?);
        let mut optional = || fields.next().and_then(|field| field.parse().ok());
        Some(Self {
            epoch: epoch.parse().ok()?,
            learning_rate: learning_rate.parse().ok()?,
            loss: loss.parse().ok()?,
            accuracy: optional(),
            held_out: std::array::from_fn(|_| optional()),
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

    /// An epoch is over. The error is that of the first file that cannot be written; the others are.
    pub(super) fn add(&mut self, epoch: &Epoch) -> Result<(), FileError> {
        let row = Row::new(epoch);
        self.rows.push(row);
        let written = [self.add_events(&row), self.write_table(), self.write_page(epoch)];
        written.into_iter().collect()
    }

    fn add_events(&mut self, row: &Row) -> Result<(), FileError> {
        let Some(events) = &mut self.events else { return Ok(()) };
        row.scalars().try_for_each(|(name, value)| events.scalar(&name, row.epoch, value))?;
        events.flush()
    }

    fn write_table(&self) -> Result<(), FileError> {
        write_atomically(&self.table(), |file| {
            writeln!(file, "{}", Row::heading())?;
            self.rows.iter().try_for_each(|row| writeln!(file, "{}", row.to_line()))
        })
    }

    fn write_page(&self, epoch: &Epoch) -> Result<(), FileError> {
        let verifiers: Vec<_> = epoch.test.iter().flat_map(Metrics::rocs).collect();
        let page = page::page(&self.title, &self.rows, &verifiers);
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
        assert_eq!(table.lines().nth(2), Some("2,0.1,0.5,0.5,,,,,,,,"));
        let page = std::fs::read_to_string(path.join("report.html")).expect("a page");
        assert!(page.contains("a &lt;net&gt;") && page.contains("<svg") && page.contains("polyline"));
        // Nothing is fetched from elsewhere.
        assert!(!page.contains("src=") && !page.contains("<script"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_written_is_named_and_the_rest_is_written() {
        for (full, other) in [("epochs.csv", "report.html"), ("report.html", "epochs.csv")] {
            let folder = Folder::new("log");
            let mut log = Log::new(&folder.path(""), "net".into());
            log.start(0).expect("started");
            folder.fill_disk(&[full]);
            let error = log.add(&epoch(0)).expect_err("a full disk");
            assert_eq!((error.path, &*error.message), (folder.path(full), "the disk is full"));
            assert!(folder.path(other).is_file() && !folder.path(full).exists());
        }
    }
}
