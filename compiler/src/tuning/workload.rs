//! What decides how fast a convolution of tiles is.

use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use crate::graph::{BLOCK, Graph, ValueId};
use crate::ops::Op;
use crate::ops::tile_conv::winograd::{fits, side};
use crate::ops::tile_conv::{Algorithm, IMAGES};
use crate::ops::window::Window;

/// Largest number that a description may have.
const LARGEST: usize = 1 << 31;

/// A convolution of tiles but for its numbers: layers of equal workload take equally long (a term of Chen et al. 2018,
/// "Learning to optimize tensor programs"). As text, `3x3 stride 2 pad 1, 64x56x56 to 128x28x28`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// Whether it is the gradient by the input of a convolution.
    pub backwards: bool,
    /// Shape of the operand.
    pub input: Vec<usize>,
    /// Shape of the value.
    pub output: Vec<usize>,
    /// The window, over one or two axes.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Input channels that are neighbours in memory: 1 where the input stays plain.
    pub lanes: usize,
}

impl Workload {
    /// That of a lowered convolution; `None` for other operators.
    pub fn of(graph: &Graph, value: ValueId) -> Option<Self> {
        let node = graph.node(value);
        let Op::TileConv(conv) = &node.op else { return None };
        let (x, w) = (graph.ty(node.inputs[0]), graph.node(node.inputs[1]));
        Some(Self {
            backwards: matches!(&w.op, Op::Pack(pack) if pack.backwards),
            input: x.shape.clone(),
            output: conv.unpooled(x, graph.ty(node.inputs[1])).shape,
            window: conv.window.clone(),
            groups: conv.groups,
            lanes: if x.layout.is_plain() { 1 } else { BLOCK },
        })
    }

    /// Whether an algorithm computes this.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Direct => true,
            _ => fits(algorithm, &self.window) && self.groups == 1 && self.lanes == BLOCK && self.input[0] >= BLOCK / 2,
        }
    }

    /// Rows that an image has: of pixels, or of Winograd's tiles.
    pub fn rows(&self, algorithm: Algorithm) -> usize {
        let rows = if self.output.len() == 3 { self.output[1] } else { 1 };
        match algorithm {
            Algorithm::Direct => rows,
            _ => rows.div_ceil(side(algorithm, self.window.kernel[0], self.window.stride[0])),
        }
    }

    /// Strips that an image is cut into at most.
    pub fn most_strips(&self, algorithm: Algorithm) -> usize {
        if algorithm.takes_tiles() { 1 } else { self.rows(algorithm) }
    }

    /// Images that a task can have at most.
    pub fn most_images(&self, algorithm: Algorithm) -> usize {
        if algorithm == Algorithm::WinogradStrips { IMAGES } else { 1 }
    }

    /// Blocks of filters.
    pub fn blocks(&self) -> usize {
        self.output[0].div_ceil(BLOCK)
    }
}

/// `64x56x56`
fn joined<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(T::to_string).collect::<Vec<_>>().join("x")
}

/// `2`, or `2x1` where axes differ.
fn short(numbers: &[String]) -> String {
    match numbers {
        [first, rest @ ..] if rest.iter().all(|n| n == first) => first.clone(),
        _ => joined(numbers),
    }
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { backwards, input, output, window, groups, lanes } = self;
        let texts = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>();
        let pad = |(before, after): &(usize, usize)| match before == after {
            true => before.to_string(),
            false => format!("{before}+{after}"),
        };
        let pads: Vec<String> = window.pad.iter().map(pad).collect();
        let said = |name: &str, value: String, usual: &str| match value == usual {
            true => String::new(),
            false => format!(" {name} {value}"),
        };
        write!(
            f,
            "{}{}{}{}{}{}{}, {} to {}",
            if *backwards { "gradient " } else { "" },
            joined(&window.kernel),
            said("stride", short(&texts(&window.stride)), "1"),
            said("dilation", short(&texts(&window.dilation)), "1"),
            said("pad", short(&pads), "0"),
            said("groups", groups.to_string(), "1"),
            said("lanes", lanes.to_string(), "16"),
            joined(input),
            joined(output),
        )
    }
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|n| *n <= LARGEST)
}

/// `64x56x56`, none of them 0.
fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split('x').map(|n| number(n).filter(|n| *n > 0)).collect()
}

/// One for each axis, or one for all.
fn per_axis<T: Clone>(text: &str, axes: usize, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let all: Vec<T> = text.split('x').map(one).collect::<Option<_>>()?;
    match all.as_slice() {
        [same] => Some(vec![same.clone(); axes]),
        _ => (all.len() == axes).then_some(all),
    }
}

/// `1`, or `0+1` before and after.
fn padding(text: &str) -> Option<(usize, usize)> {
    let (before, after) = text.split_once('+').unwrap_or((text, text));
    Some((number(before)?, number(after)?))
}

fn parse(text: &str) -> Option<Workload> {
    let (head, shapes) = text.split_once(',')?;
    let (input, output) = shapes.split_once(" to ")?;
    let (input, output) = (numbers(input.trim())?, numbers(output.trim())?);
    let mut words = head.split_whitespace().peekable();
    let backwards = words.next_if_eq(&"gradient").is_some();
    let kernel = numbers(words.next()?)?;
    let axes = kernel.len();
    if !(1..=2).contains(&axes) || input.len() != axes + 1 || output.len() != axes + 1 {
        return None;
    }
    let ones = vec![1; axes];
    let window = Window { kernel, stride: ones.clone(), dilation: ones, pad: vec![(0, 0); axes], ceil: false };
    let mut workload = Workload { backwards, input, output, window, groups: 1, lanes: BLOCK };
    let positive = |text: &str| number(text).filter(|n| *n > 0);
    while let Some(name) = words.next() {
        let value = words.next()?;
        match name {
            "stride" => workload.window.stride = per_axis(value, axes, positive)?,
            "dilation" => workload.window.dilation = per_axis(value, axes, positive)?,
            "pad" => workload.window.pad = per_axis(value, axes, padding)?,
            "groups" => workload.groups = positive(value)?,
            "lanes" => workload.lanes = positive(value).filter(|n| [1, BLOCK].contains(n))?,
            _ => return None,
        }
    }
    Some(workload)
}

/// A text that describes no workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoWorkload;

impl FromStr for Workload {
    type Err = NoWorkload;

    fn from_str(text: &str) -> Result<Self, NoWorkload> {
        parse(text).ok_or(NoWorkload)
    }
}

impl<'de> Deserialize<'de> for Workload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|NoWorkload| {
            D::Error::custom(format!("`{text}` describes no convolution, as `3x3 pad 1, 64x56x56 to 128x56x56` does"))
        })
    }
}
