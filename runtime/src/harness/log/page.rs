//! The report: one page that opens from disk and needs nothing else.

use super::Row;
use crate::draw::{Curve, curves, escaped};

/// The page of a run.
pub(super) fn page(title: &str, rows: &[Row]) -> String {
    let curve = |name: &str, f: &dyn Fn(&Row) -> Option<f64>| {
        let points: Vec<(f64, f64)> = rows.iter().filter_map(|row| Some((row.epoch as f64, f(row)?))).collect();
        Curve { name: name.to_owned(), points }
    };
    let diagram = |title: &str, all: [Curve; 2]| {
        let known: Vec<Curve> = all.into_iter().filter(|curve| !curve.points.is_empty()).collect();
        if known.is_empty() { String::new() } else { curves(title, "epoch", &known) }
    };
    let percent = |x: Option<f64>| x.map(|x| 100.0 * x);
    let loss = diagram("Loss", [curve("learnt", &|row| Some(row.loss)), curve("held out", &|row| row.held_out_loss)]);
    let accuracy = diagram(
        "Accuracy (%)",
        [curve("learnt", &|row| percent(row.accuracy)), curve("held out", &|row| percent(row.held_out_accuracy))],
    );
    let rate = curves("Learning rate", "epoch", &[curve("learning rate", &|row| Some(row.learning_rate))]);
    let cell = |x: Option<f64>, digits: usize| x.map_or(String::new(), |x| format!("{x:.digits$}"));
    let lines: String = rows
        .iter()
        .map(|row| {
            format!(
                "<tr><td>{}</td><td>{:.6}</td><td>{:.5}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                row.epoch,
                row.learning_rate,
                row.loss,
                cell(percent(row.accuracy), 2),
                cell(row.held_out_loss, 5),
                cell(percent(row.held_out_accuracy), 2)
            )
        })
        .collect();
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>\n\
         body {{ font-family: sans-serif; margin: 2em; }} td, th {{ text-align: right; padding: 0.1em 0.8em; }}\n\
         </style></head><body>\n<h1>{title}</h1>\n{loss}{accuracy}{rate}\
         <table><tr><th>epoch</th><th>learning rate</th><th>loss</th><th>accuracy (%)</th><th>held-out loss</th>\
         <th>held-out accuracy (%)</th></tr>\n{lines}</table>\n</body></html>\n"
    )
}
