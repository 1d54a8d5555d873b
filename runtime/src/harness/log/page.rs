//! The report: one page that opens from disk and needs nothing else.

use super::Row;
use crate::draw::{Curve, curves, escaped, roc};
use crate::metrics::Roc;

/// The page of a run; `verifiers` are those of the last epoch.
pub(super) fn page(title: &str, rows: &[Row], verifiers: &[(&str, &Roc)]) -> String {
    let last = if verifiers.is_empty() { String::new() } else { roc("Same or different, last epoch", verifiers) };
    let diagrams = diagrams(rows) + &last;
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
                cell(row.held_out("loss"), 5),
                cell(percent(row.held_out("accuracy")), 2)
            )
        })
        .collect();
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>\n\
         body {{ font-family: sans-serif; margin: 2em; }} td, th {{ text-align: right; padding: 0.1em 0.8em; }}\n\
         </style></head><body>\n<h1>{title}</h1>\n{diagrams}\
         <table><tr><th>epoch</th><th>learning rate</th><th>loss</th><th>accuracy (%)</th><th>held-out loss</th>\
         <th>held-out accuracy (%)</th></tr>\n{lines}</table>\n</body></html>\n"
    )
}

fn percent(x: Option<f64>) -> Option<f64> {
    x.map(|x| 100.0 * x)
}

/// Curves over the epochs of all that was measured.
fn diagrams(rows: &[Row]) -> String {
    let curve = |name: &str, f: &dyn Fn(&Row) -> Option<f64>| {
        let points: Vec<(f64, f64)> = rows.iter().filter_map(|row| Some((row.epoch as f64, f(row)?))).collect();
        Curve { name: name.to_owned(), points }
    };
    let held_out = |name: &str, what: &str| curve(name, &|row| percent(row.held_out(what)));
    let all = [
        ("Loss", [curve("learnt", &|row| Some(row.loss)), curve("held out", &|row| row.held_out("loss"))]),
        ("Accuracy (%)", [curve("learnt", &|row| percent(row.accuracy)), held_out("held out", "accuracy")]),
        (
            "Classes of pixels (%)",
            [curve("learnt", &|_| None), held_out("mean intersection over union, held out", "mean_iou")],
        ),
        ("Boxes found (%)", [held_out("mAP at an IoU of 0.5", "map50"), held_out("mAP of COCO", "coco_map")]),
        ("Same or different (%)", [held_out("area under the curve", "auc"), held_out("equal error rate", "eer")]),
        ("Points found (%)", [curve("learnt", &|_| None), held_out("near enough (PCK), held out", "pck")]),
        ("Learning rate", [curve("learning rate", &|row| Some(row.learning_rate)), curve("", &|_| None)]),
    ];
    let diagram = |(title, all): (&str, [Curve; 2])| {
        let known: Vec<Curve> = all.into_iter().filter(|curve| !curve.points.is_empty()).collect();
        if known.is_empty() { String::new() } else { curves(title, "epoch", &known) }
    };
    all.into_iter().map(diagram).collect()
}
