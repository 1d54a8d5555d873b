//! What a network took for what: a table in a terminal, a picture.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::predict::class_name;
use crate::data::Raster;
use crate::draw;
use crate::metrics::Confusion;
use crate::train::Metrics;

/// More classes make no table that can be read.
const MOST_IN_TEXT: usize = 20;

/// More classes make no picture that can be looked at.
const MOST_DRAWN: usize = 100;

/// The lines of a table: a row for each class that is, a column for each that it was taken for. None where there are many classes.
pub(super) fn table(confusion: &Confusion, names: &[String]) -> Vec<String> {
    let classes = confusion.classes();
    if classes > MOST_IN_TEXT {
        return Vec::new();
    }
    let names: Vec<String> = (0..classes).map(|class| draw::short(&class_name(names, class))).collect();
    let count = |truth: usize, answer: usize| confusion.count(truth, answer).to_string();
    let cell = |truth: usize, answer: usize| count(truth, answer).len().max(names[answer].chars().count());
    let width = |answer: usize| (0..classes).map(|truth| cell(truth, answer)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..classes).map(width).collect();
    let left = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |first: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: String = cells.zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")).collect();
        format!("{first:>left$}{cells}")
    };
    let row = |truth: usize| line(&names[truth], &mut (0..classes).map(|answer| count(truth, answer)));
    std::iter::once(line("", &mut names.iter().cloned())).chain((0..classes).map(row)).collect()
}

/// Pictures of what was taken for what, one below the other under the names of the outputs where there are several. `None` where there
/// is nothing to draw.
pub(super) fn picture(metrics: &Metrics, names: &[String]) -> Option<Raster> {
    let all = metrics.metrics.iter().filter_map(|metric| Some((&metric.output, metric.confusion.as_ref()?)));
    let all: Vec<_> = all.filter(|(_, confusion)| confusion.classes() <= MOST_DRAWN).collect();
    match &all[..] {
        [] => None,
        [(_, confusion)] => Some(draw::confusion(confusion, names)),
        _ => {
            let one = |(output, confusion): &(&String, &Confusion)| {
                draw::captioned(&draw::confusion(confusion, names), output, [40; 3], 2)
            };
            Some(draw::sheet(&all.iter().map(one).collect::<Vec<_>>(), 1, 8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_for_few_classes() {
        let mut confusion = Confusion::new(2);
        (0..12).for_each(|_| confusion.add(0, 0));
        confusion.add(1, 0);
        let lines = table(&confusion, &["cat".into(), "a very long name".into()]);
        assert_eq!(
            lines,
            ["              cat  a very long ", "         cat   12             0", "a very long     1             0"]
        );
        assert_eq!(table(&Confusion::new(21), &[]), [""; 0]);
    }
}
