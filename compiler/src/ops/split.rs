//! slice and split: parts of a tensor along an axis.

use super::along::axis;
use super::pad::{Pad, PadMode};
use super::shape::{Reshape, Slice};
use super::{Argument, Attribute, Call, Definition};
use crate::diagnostics::Diagnostic;
use crate::graph::ValueId;

const AXIS: Attribute =
    Attribute::optional("axis", "0", "the axis without the batch: 0 is channels, 1 the first of space");

/// A range of an axis: `[*shape] -> [*shape']` (Python's `x[start:end:stride]`; of stride 1 PyTorch's
/// `torch.narrow`).
pub static SLICE: Definition = Definition {
    name: "slice",
    summary: "the elements of an axis from `start` to before `end`, by default channels",
    shapes: "[*shape] -> [*shape']; along the axis ceil((end - start) / stride)",
    source: "Python's `x[start:end:stride]`; of stride 1 PyTorch's `torch.narrow`",
    operands: &["x"],
    attributes: &[
        Attribute::required("start", "the first index, from 0"),
        Attribute::required("end", "the index behind the last"),
        AXIS,
        Attribute::optional("stride", "1", "steps between the elements"),
    ],
    example: "slice(x, 0, 2)",
    build: |call| {
        let axis = axis(call)?;
        let size = size(call, axis)?;
        let start = call.per_axis("start", 1, 0..=size as i64 - 1)?[0];
        let end = call.per_axis("end", 1, start as i64 + 1..=size as i64)?[0];
        let stride = call.positive("stride")?;
        if stride == 1 { part(call, axis, start, end - start) } else { every(call, axis, start..end, stride) }
    },
};

/// Equal parts, or parts of given sizes: `[*shape] -> [*shape']..` (PyTorch's `torch.split`, by the number of parts
/// or by all sizes).
pub static SPLIT: Definition = Definition {
    name: "split",
    summary: "a tuple of parts that lie behind one another along an axis, by default channels: `(a, b) = split(x, 2)`",
    shapes: "[*shape] -> [*shape']..; along the axis a share, or each of the sizes",
    source: "PyTorch's `torch.split`, by the number of parts or by all sizes",
    operands: &["x"],
    attributes: &[Attribute::required("parts", "how many equal parts, or a list of the sizes of all parts"), AXIS],
    example: "split(x, [1, 2])[0]",
    build: |call| {
        let axis = axis(call)?;
        let mut start = 0;
        for len in sizes(call, axis)? {
            let value = part(call, axis, start, len)?;
            call.tuple.push(value);
            start += len;
        }
        Ok(call.tuple[0])
    },
};

/// The number of elements of the axis.
fn size(call: &Call<'_>, axis: usize) -> Result<usize, Diagnostic> {
    call.ty(0).shape.get(axis).copied().ok_or_else(|| {
        Diagnostic::new(call.span, format!("`{}` needs axes", call.definition.name))
            .found("one number for each image")
            .fits("a tensor of shape [channels, ...]")
    })
}

fn part(call: &mut Call<'_>, axis: usize, start: usize, len: usize) -> Result<ValueId, Diagnostic> {
    let x = call.operand(0);
    call.push(Slice { axis, start, len }.into(), &[x])
}

/// Every `stride`-th element of a range of an axis: the first of each group of as many, which are columns of a matrix.
fn every(
    call: &mut Call<'_>,
    axis: usize,
    range: std::ops::Range<usize>,
    stride: usize,
) -> Result<ValueId, Diagnostic> {
    let (x, mut shape) = (call.operand(0), call.ty(0).shape);
    let count = range.len().div_ceil(stride);
    let whole = (count * stride).min(shape[axis] - range.start);
    let mut groups = call.range(x, axis, range.start, whole)?;
    if whole < count * stride {
        let mut pad = vec![(0, 0); shape.len()];
        pad[axis] = (0, count * stride - whole);
        groups = call.push(Pad { pad, mode: PadMode::Zero }.into(), &[groups])?;
    }
    let (outer, inner) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product::<usize>());
    let groups = call.push(Reshape { shape: vec![outer, count, stride * inner] }.into(), &[groups])?;
    let first = call.range(groups, 2, 0, inner)?;
    shape[axis] = count;
    call.push(Reshape { shape }.into(), &[first])
}

/// The sizes of the parts, which cover the axis.
fn sizes(call: &Call<'_>, axis: usize) -> Result<Vec<usize>, Diagnostic> {
    let size = size(call, axis)?;
    let (value, span) = call.optional("parts").expect("it is required");
    let positive = |item: &Argument| match item {
        Argument::Int(n) if (1..=1 << 31).contains(n) => Some(*n as usize),
        _ => None,
    };
    let sizes = match &value {
        Argument::List(items) => items.iter().map(positive).collect::<Option<Vec<_>>>(),
        count => positive(count)
            .filter(|count| *count <= size && size.is_multiple_of(*count))
            .map(|count| vec![size / count; count]),
    };
    sizes.filter(|sizes| sizes.iter().sum::<usize>() == size).ok_or_else(|| {
        Diagnostic::new(span, "these parts do not cover the axis")
            .found(format!("{value}, and {size} elements of axis {axis} of {}", call.ty(0)))
            .fits(format!("a divisor of {size}, or a list of sizes whose sum is {size}"))
    })
}
