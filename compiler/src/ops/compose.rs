//! What operators that are made of others say in formulas.

use super::elementwise::{Affine, Arithmetic};
use super::literal::Literal;
use super::pointwise::Pointwise;
use super::reduce::SumTo;
use super::shape::{Reshape, Slice};
use super::{Argument, Call, Mismatch, Op};
use crate::diagnostics::Diagnostic;
use crate::graph::ValueId;

type Built = Result<ValueId, Diagnostic>;

impl Call<'_> {
    /// a + b, a − b or a · b, repeated to the larger shape.
    pub(super) fn arithmetic(&mut self, op: Arithmetic, a: ValueId, b: ValueId) -> Built {
        self.push(op.into(), &[a, b])
    }

    /// a + b.
    pub(super) fn add(&mut self, a: ValueId, b: ValueId) -> Built {
        self.arithmetic(Arithmetic::Add, a, b)
    }

    /// a − b.
    pub(super) fn sub(&mut self, a: ValueId, b: ValueId) -> Built {
        self.arithmetic(Arithmetic::Sub, a, b)
    }

    /// a · b.
    pub(super) fn mul(&mut self, a: ValueId, b: ValueId) -> Built {
        self.arithmetic(Arithmetic::Mul, a, b)
    }

    /// factor · x + offset.
    pub(super) fn affine(&mut self, factor: f64, x: ValueId, offset: f64) -> Built {
        self.push(Affine { factor, offset }.into(), &[x])
    }

    /// A function of every element.
    pub(super) fn map(&mut self, function: Pointwise, x: ValueId) -> Built {
        self.push(function.into(), &[x])
    }

    /// The sum of all elements: one number for each image.
    pub(super) fn sum(&mut self, x: ValueId) -> Built {
        let ty = self.graph.ty(x).clone();
        let sum = self.push(SumTo { batched: ty.batched, shape: vec![1; ty.shape.len()] }.into(), &[x])?;
        self.push(Reshape { shape: vec![] }.into(), &[sum])
    }

    /// The mean of all elements.
    pub(super) fn mean(&mut self, x: ValueId) -> Built {
        let count = self.graph.ty(x).len();
        let sum = self.sum(x)?;
        self.affine(1.0 / count as f64, sum, 0.0)
    }

    /// Σ (a − b)².
    pub(super) fn squares(&mut self, a: ValueId, b: ValueId) -> Built {
        let difference = self.sub(a, b)?;
        let square = self.map(Pointwise::Square, difference)?;
        self.sum(square)
    }

    /// `len` elements of an axis, from `start`.
    pub(super) fn range(&mut self, x: ValueId, axis: usize, start: usize, len: usize) -> Built {
        self.push(Slice { axis, start, len }.into(), &[x])
    }

    /// Numbers that the specification gives, in the order of `shape`.
    pub(super) fn literal(&mut self, shape: Vec<usize>, data: Vec<f64>) -> Built {
        self.push(Op::Literal(Literal { shape, data }), &[])
    }

    /// A list of `len` numbers, each in `range`; `None` where the attribute is not given.
    pub(super) fn numbers(
        &self,
        name: &str,
        len: usize,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<Option<Vec<f64>>, Diagnostic> {
        let Some((value, span)) = self.optional(name) else { return Ok(None) };
        let numbers = match &value {
            Argument::List(items) if items.len() == len => items.iter().map(Argument::number).collect(),
            _ => None,
        };
        let inside = |numbers: &Vec<f64>| numbers.iter().all(|number| range.contains(number));
        numbers.filter(inside).map(Some).ok_or_else(|| {
            Diagnostic::new(span, format!("`{name}` of `{}` does not fit", self.definition.name))
                .found(value.to_string())
                .fits(format!("a list of {len} numbers from {:?} to {:?}", range.start(), range.end()))
        })
    }

    /// An operand that does not fit, said at its place.
    pub(super) fn refuse<T>(&self, mismatch: Mismatch) -> Result<T, Diagnostic> {
        Err(self.explain(mismatch))
    }
}

impl Argument {
    /// As a number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(v) => Some(*v as f64),
            Self::Float(v) if v.is_finite() => Some(*v),
            _ => None,
        }
    }

    /// As a shape: one to four whole numbers from 1.
    pub(super) fn shape(&self) -> Option<Vec<usize>> {
        let Self::List(items) = self else { return None };
        let dimension = |item: &Self| match item {
            Self::Int(n) if (1..=1 << 31).contains(n) => Some(*n as usize),
            _ => None,
        };
        let shape: Vec<usize> = items.iter().map(dimension).collect::<Option<_>>()?;
        let small = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).is_some();
        (small && (1..=4).contains(&shape.len())).then_some(shape)
    }
}
