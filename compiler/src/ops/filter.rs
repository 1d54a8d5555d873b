//! filter: a convolution whose filters stand in the specification and are not learnt.

use super::conv::Conv;
use super::window::{self, Window};
use super::{Argument, Attribute, Call, Definition, Mismatch};
use crate::diagnostics::Diagnostic;
use crate::graph::show_shape;

/// Filters with a name, of three rows. What is brighter on the left, or above, comes out positive.
const NAMED: [(&str, [[i64; 3]; 3]); 6] = [
    ("vertical", [[1, 0, -1], [1, 0, -1], [1, 0, -1]]),
    ("horizontal", [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]),
    ("sobel_x", [[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
    ("sobel_y", [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
    ("scharr_x", [[3, 0, -3], [10, 0, -10], [3, 0, -3]]),
    ("scharr_y", [[3, 10, 3], [0, 0, 0], [-3, -10, -3]]),
];

/// Numbers in nested lists of equal lengths, and those lengths.
struct Numbers {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Numbers {
    /// From what is written; `None` where a list is empty, ragged, or holds something else.
    fn of(argument: &Argument) -> Option<Self> {
        let Argument::List(items) = argument else {
            return Some(Self { shape: Vec::new(), data: vec![argument.number()?] });
        };
        let parts = items.iter().map(Self::of).collect::<Option<Vec<_>>>()?;
        let first = parts.first()?.shape.clone();
        if parts.iter().any(|part| part.shape != first) {
            return None;
        }
        let mut shape = vec![parts.len()];
        shape.extend(first);
        Some(Self { shape, data: parts.into_iter().flat_map(|part| part.data).collect() })
    }

    fn named(word: &str) -> Self {
        let (_, rows) = NAMED.iter().find(|(name, _)| *name == word).expect("the words of the attribute");
        Self { shape: vec![3, 3], data: rows.iter().flatten().map(|n| *n as f64).collect() }
    }

    /// Filters `[filters, channels / groups, window...]` for a number of channels: what is missing in front is repeated.
    fn filters(mut self, rank: usize, channels: usize, groups: usize) -> Option<Self> {
        if self.shape.len() == rank {
            self.data = self.data.repeat(channels);
            self.shape.insert(0, channels);
        }
        if self.shape.len() == rank + 1 {
            // A filter of all channels, or one for each of them.
            self.shape.insert(usize::from(groups > 1), 1);
        }
        let fits =
            self.shape.len() == rank + 2 && self.shape[0].is_multiple_of(groups) && self.shape[1] * groups == channels;
        fits.then_some(self)
    }
}

/// The numbers as given.
fn numbers(call: &Call<'_>) -> Result<Numbers, Diagnostic> {
    let (value, span) = call.optional("kernel").expect("it is required");
    let numbers = match &value {
        Argument::Word(word) => Some(Numbers::named(word)),
        value => Numbers::of(value),
    };
    numbers.ok_or_else(|| {
        let names: Vec<String> = NAMED.iter().map(|(name, _)| format!("`{name}`")).collect();
        Diagnostic::new(span, "this is not a filter").found(value.to_string()).fits(format!(
            "rows of equal length, such as [[1, 0, -1], [2, 0, -2], [1, 0, -1]], or {}",
            names.join(", ")
        ))
    })
}

/// filter: `[channels, *space] -> [filters, *space']` (Prewitt 1970, Sobel & Feldman 1968, Scharr 2000 for those that
/// have a name; PyTorch's `conv1d`, `conv2d`, `conv3d`).
pub static FILTER: Definition = Definition {
    name: "filter",
    summary: "convolution with filters that are given, not learnt; as in `conv`, they are not turned round",
    shapes: "[channels, *space] -> [filters, *space']; space' = floor((space + before + after - dilation * (window \
             - 1) - 1) / stride) + 1, filters = those of `kernel`, with `per_channel` for each channel",
    source: "Prewitt 1970, Sobel & Feldman 1968, Scharr 2000 for those that have a name; PyTorch's `conv1d`, \
             `conv2d`, `conv3d`",
    operands: &["x"],
    attributes: &[
        Attribute::required(
            "kernel",
            "the rows of a filter for all channels, whose results add up; a list of such, one for each channel; a list of those, \
             one for each filter; or a word",
        )
        .words(&["vertical", "horizontal", "sobel_x", "sobel_y", "scharr_x", "scharr_y"]),
        window::STRIDE,
        window::PAD,
        window::DILATION,
        Attribute::optional("per_channel", "false", "whether channels stay apart, each with its own filter or all with the same"),
    ],
    example: "filter(x, [[1, 0, -1], [2, 0, -2], [1, 0, -1]], pad: same)",
    build: |call| {
        let rank = Window::rank(call, "filter-C1")?;
        let (given, channels) = (numbers(call)?, call.ty(0).channels());
        let shape = given.shape.clone();
        let groups = if call.flag("per_channel")? { channels } else { 1 };
        let Some(filters) = given.filters(rank, channels, groups) else {
            let all = if groups > 1 { "" } else { ", or one list more around several of those" };
            return call.refuse(
                Mismatch::new("filter-C2", "the filter does not go with the channels and the axes of space")
                    .found(format!("lists of lengths {} for {}", show_shape(&shape), call.ty(0)))
                    .fits(format!(
                        "numbers in {rank} lists inside one another, or in {} of which the first has {channels}{all}",
                        rank + 1
                    )),
            );
        };
        let window = Window::of_kernel(call, filters.shape[2..].to_vec())?;
        let weight = call.literal(filters.shape, filters.data)?;
        let x = call.operand(0);
        call.push(Conv { window, groups, activation: None }.into(), &[x, weight])
    },
};
