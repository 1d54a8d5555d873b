//! A call of an operator on its way into the graph.

use crate::diagnostics::{Diagnostic, Span, nearest};
use crate::graph::{Graph, Init, Param, ParamKind, Role, Type, ValueId};

use super::{Definition, Mismatch, Op, source};

/// The value of an attribute, as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// `3`
    Int(i64),
    /// `0.1`
    Float(f64),
    /// `true`
    Bool(bool),
    /// `"text"`
    Str(String),
    /// `same`
    Word(String),
    /// `[3, 5]` or `(3, 5)`
    List(Vec<Argument>),
    /// The weights of a shared instance that was called.
    Weights(Vec<crate::graph::ParamId>),
}

impl Argument {
    /// As operators look at it: `12.0` is the whole number that it is worth, and a string that is a word of the attribute
    /// is that word, so that blocks can pass words on.
    #[must_use]
    pub(crate) fn plain(self, words: &[&str]) -> Self {
        match self {
            Self::Float(value) => whole(value).map_or(Self::Float(value), Self::Int),
            Self::Str(text) if words.contains(&text.as_str()) => Self::Word(text),
            Self::List(items) => Self::List(items.into_iter().map(|item| item.plain(&[])).collect()),
            other => other,
        }
    }
}

/// The whole number that a number is, if it is one and certain to its last digit.
pub(crate) fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= (1_u64 << 53) as f64).then_some(value as i64)
}

impl std::fmt::Display for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v:?}"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Str(v) => write!(f, "{v:?}"),
            Self::Word(v) => f.write_str(v),
            Self::List(v) => {
                let items: Vec<String> = v.iter().map(Self::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Weights(_) => f.write_str("a shared instance"),
        }
    }
}

/// A call of an operator: its operands and attributes, checked for name and number, and the graph to add it to.
#[derive(Debug)]
pub struct Call<'a> {
    /// What is called.
    pub definition: &'static Definition,
    /// The graph that grows.
    pub graph: &'a mut Graph,
    /// The tensor operands and the places they come from.
    pub operands: Vec<(ValueId, Span)>,
    /// The attributes that were given: name, value, place of the value. Defaults are not in here.
    pub arguments: Vec<(&'static str, Argument, Span)>,
    /// Dotted name of the layer, `layer1.0.conv1`.
    pub layer: String,
    /// Weights made by an earlier call of the same `shared` instance, to be used again in the order they were made.
    pub reuse: Option<std::collections::VecDeque<crate::graph::ParamId>>,
    /// Weights this call made or used again, in order.
    pub made: Vec<crate::graph::ParamId>,
    /// What the call gives where that is several values: a tuple of them.
    pub tuple: Vec<ValueId>,
    /// The whole call.
    pub span: Span,
}

impl Call<'_> {
    /// The operand at `index`.
    pub fn operand(&self, index: usize) -> ValueId {
        self.operands[index].0
    }

    /// The type of the operand at `index`.
    pub fn ty(&self, index: usize) -> Type {
        self.graph.ty(self.operand(index)).clone()
    }

    /// An attribute and its place, if given; the definition's default stands at the call itself.
    fn argument(&self, name: &str) -> (Option<Argument>, Span) {
        if let Some((_, value, span)) = self.arguments.iter().find(|(n, ..)| *n == name) {
            return (Some(value.clone()), *span);
        }
        let attribute = self.definition.attributes.iter().find(|a| a.name == name);
        let default =
            attribute.unwrap_or_else(|| panic!("`{}` has no attribute `{name}`", self.definition.name)).default;
        (default.and_then(parse_default), self.span)
    }

    fn wrong(&self, name: &str, span: Span, found: impl std::fmt::Display, fits: &str) -> Diagnostic {
        let words = self.definition.attributes.iter().find(|a| a.name == name).map_or(&[][..], |a| a.words);
        let or_words: String = words.iter().map(|w| format!(", `{w}`")).collect();
        let near = match self.argument(name).0 {
            Some(Argument::Str(text)) => nearest(&text, words.iter().copied()),
            _ => None,
        };
        let hint = near.map_or_else(|| self.attribute_help(name), |near| format!("did you mean `{near}`?"));
        Diagnostic::new(span, format!("`{name}` of `{}` does not fit", self.definition.name))
            .found(found.to_string())
            .fits(format!("{fits}{or_words}"))
            .hint(hint)
    }

    fn attribute_help(&self, name: &str) -> String {
        let attribute = self.definition.attributes.iter().find(|a| a.name == name);
        attribute.map_or_else(String::new, |a| format!("`{name}`: {}", a.doc))
    }

    /// The attribute as given or by default; `None` when its default is `none`.
    pub fn optional(&self, name: &str) -> Option<(Argument, Span)> {
        let (value, span) = self.argument(name);
        value.map(|v| (v, span))
    }

    /// A whole number in `1..=1_000_000`.
    pub fn positive(&self, name: &str) -> Result<usize, Diagnostic> {
        match self.argument(name) {
            (Some(Argument::Int(v)), _) if (1..=1_000_000).contains(&v) => Ok(v as usize),
            (Some(other), span) => Err(self.wrong(name, span, other, "a whole number from 1 to 1000000")),
            (None, span) => Err(self.wrong(name, span, "nothing", "a whole number from 1 to 1000000")),
        }
    }

    /// A finite number.
    pub fn number(&self, name: &str) -> Result<f64, Diagnostic> {
        match self.argument(name) {
            (Some(Argument::Float(v)), _) if v.is_finite() => Ok(v),
            (Some(Argument::Int(v)), _) => Ok(v as f64),
            (Some(other), span) => Err(self.wrong(name, span, other, "a number")),
            (None, span) => Err(self.wrong(name, span, "nothing", "a number")),
        }
    }

    /// A finite number in a range, `0.0..1.0` or `0.0..=1.0`.
    pub fn number_in(&self, name: &str, range: impl std::ops::RangeBounds<f64>) -> Result<f64, Diagnostic> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let low = match range.start_bound() {
            Included(low) => format!(" from {low:?}"),
            Excluded(low) => format!(" above {low:?}"),
            Unbounded => String::new(),
        };
        let high = match range.end_bound() {
            Included(high) => format!(" to {high:?}"),
            Excluded(high) => format!(" to just below {high:?}"),
            Unbounded => String::new(),
        };
        let (value, span) = self.argument(name);
        let number = match &value {
            Some(Argument::Float(v)) => Some(*v),
            Some(Argument::Int(v)) => Some(*v as f64),
            _ => None,
        };
        number.filter(|v| v.is_finite() && range.contains(v)).ok_or_else(|| {
            let found = value.map_or_else(|| "nothing".to_owned(), |v| v.to_string());
            self.wrong(name, span, found, &format!("a number{low}{high}"))
        })
    }

    /// A finite number above 0.
    pub fn positive_number(&self, name: &str) -> Result<f64, Diagnostic> {
        self.number_in(name, (std::ops::Bound::Excluded(0.0), std::ops::Bound::Unbounded))
    }

    /// A list of 1 to 64 finite numbers above 0.
    pub fn positive_numbers(&self, name: &str) -> Result<Vec<f64>, Diagnostic> {
        self.list(name, "numbers above 0: `[0.5, 1, 2]`", positive)
    }

    /// A list of 1 to 64 pairs of finite numbers above 0.
    pub fn pairs(&self, name: &str) -> Result<Vec<[f64; 2]>, Diagnostic> {
        self.list(name, "pairs of numbers above 0: `[(10, 13), (16, 30)]`", |item| match item {
            Argument::List(pair) if pair.len() == 2 => Some([positive(&pair[0])?, positive(&pair[1])?]),
            _ => None,
        })
    }

    fn list<T>(&self, name: &str, what: &str, one: impl Fn(&Argument) -> Option<T>) -> Result<Vec<T>, Diagnostic> {
        let (value, span) = self.argument(name);
        let items = match &value {
            Some(Argument::List(items)) if (1..=64).contains(&items.len()) => items.iter().map(one).collect(),
            _ => None,
        };
        items.ok_or_else(|| {
            let found = value.map_or_else(|| "nothing".to_owned(), |v| v.to_string());
            self.wrong(name, span, found, &format!("a list of 1 to 64 {what}"))
        })
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<bool, Diagnostic> {
        match self.argument(name) {
            (Some(Argument::Bool(v)), _) => Ok(v),
            (Some(other), span) => Err(self.wrong(name, span, other, "`true` or `false`")),
            (None, span) => Err(self.wrong(name, span, "nothing", "`true` or `false`")),
        }
    }

    /// One of the words of the attribute; `none` where that is its default.
    pub fn word(&self, name: &str) -> Result<String, Diagnostic> {
        match self.argument(name) {
            (Some(Argument::Word(word)), _) => Ok(word),
            (None, _) => Ok("none".to_owned()),
            (Some(other), span) => Err(self.wrong(name, span, other, "a word")),
        }
    }

    /// One whole number for every axis, or a list with one per axis, each in `range`.
    pub fn per_axis(
        &self,
        name: &str,
        rank: usize,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Vec<usize>, Diagnostic> {
        let (value, span) = self.argument(name);
        let or_list = if rank > 1 { format!(", or a list of {rank} of them") } else { String::new() };
        let fits = format!("a whole number from {} to {}{or_list}", range.start(), range.end());
        let one = |a: &Argument| match a {
            Argument::Int(v) if range.contains(v) => Some(*v as usize),
            _ => None,
        };
        let axes = match &value {
            Some(Argument::List(items)) if items.len() == rank => items.iter().map(one).collect(),
            Some(single) => one(single).map(|v| vec![v; rank]),
            None => None,
        };
        axes.ok_or_else(|| {
            let found = value.map_or_else(|| "nothing".to_owned(), |v| v.to_string());
            self.wrong(name, span, found, &fits)
        })
    }

    /// Some axes of the operand: a number, or a list of different ones; all by default.
    pub fn axes(&self, name: &str) -> Result<Vec<usize>, Diagnostic> {
        let rank = self.ty(0).shape.len();
        let (value, span) = self.argument(name);
        let one = |item: &Argument| match item {
            Argument::Int(axis) if (0..rank as i64).contains(axis) => Some(*axis as usize),
            _ => None,
        };
        let axes = match &value {
            None => Some((0..rank).collect()),
            Some(Argument::List(items)) => items.iter().map(one).collect(),
            Some(single) => one(single).map(|axis| vec![axis]),
        };
        let different = |axes: &Vec<usize>| (1..axes.len()).all(|i| !axes[..i].contains(&axes[i])) && !axes.is_empty();
        axes.filter(different).ok_or_else(|| {
            let found = value.map_or_else(|| "no axes".to_owned(), |v| v.to_string());
            self.wrong(name, span, found, &format!("different axes of {}, each from 0 to below {rank}", self.ty(0)))
        })
    }

    /// Makes a weight (or takes the one a `shared` instance made before) and returns its value.
    pub fn parameter(&mut self, name: &str, shape: &[usize], init: Init, role: Role) -> Result<ValueId, Diagnostic> {
        let full = if self.layer.is_empty() { name.to_owned() } else { format!("{}.{name}", self.layer) };
        let id = match self.reuse.as_mut().map(std::collections::VecDeque::pop_front) {
            Some(Some(id)) if self.graph.param(id).shape == shape => id,
            Some(made) => return Err(self.not_shareable(&full, shape, made)),
            None => {
                let kind = ParamKind::default();
                self.graph.add_param(Param { name: full, shape: shape.to_vec(), kind, init, role, span: self.span })
            }
        };
        self.made.push(id);
        let op = Op::Param(source::ParamRef { id, shape: shape.to_vec() });
        self.push(op, &[])
    }

    /// The first weight of the shared instance that an attribute names: tied weights. `None` where it is not given.
    pub fn tied(&mut self, name: &str, shape: &[usize], code: &'static str) -> Result<Option<ValueId>, Diagnostic> {
        let id = match self.argument(name) {
            (None, _) => return Ok(None),
            (Some(Argument::Weights(ids)), span) => match ids.first() {
                Some(id) => *id,
                None => return Err(self.wrong(name, span, "an instance without weights", "a shared instance")),
            },
            (Some(other), span) => {
                return Err(self.wrong(name, span, other, "a shared instance that was called before"));
            }
        };
        let param = self.graph.param(id);
        if param.shape != shape {
            let title = format!("`{}` cannot be the weights of this `{}`", param.name, self.definition.name);
            let found = format!(
                "{}, and it would be {}",
                crate::graph::show_shape(&param.shape),
                crate::graph::show_shape(shape)
            );
            return Err(self.explain(
                Mismatch::new(code, title).found(found).fits("as many channels, and the same kernel and groups"),
            ));
        }
        self.push(Op::Param(source::ParamRef { id, shape: shape.to_vec() }), &[]).map(Some)
    }

    fn not_shareable(&self, name: &str, shape: &[usize], made: Option<crate::graph::ParamId>) -> Diagnostic {
        let shape = crate::graph::show_shape(shape);
        let Some(made) = made.map(|id| self.graph.param(id)) else {
            return Diagnostic::new(self.span, "this call of a shared instance needs more weights than the first")
                .found(format!("`{name}`, of shape {shape}, which the first call did not make"))
                .fits("operands and arguments for which the block makes the same layers in every call");
        };
        Diagnostic::new(self.span, "a shared instance has one set of weights, and this call needs another shape")
            .found(format!("`{}` is {}, and would be {shape}", made.name, crate::graph::show_shape(&made.shape)))
            .fits("operands of the same shape in every call of the instance")
    }

    /// Adds a node to the graph.
    pub fn push(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId, Diagnostic> {
        let layer = self.layer.clone();
        self.graph.push(op, inputs, &layer, self.span).map_err(|m| self.explain(m))
    }

    /// A mismatch at this call, pointing at the operand at fault and, where several meet, at all of them.
    pub fn explain(&self, mismatch: Mismatch) -> Diagnostic {
        let fault = mismatch.operand;
        let place = fault.and_then(|i| self.operands.get(i)).map_or(self.span, |o| o.1);
        let mut diagnostic = mismatch.at(place);
        if place != self.span {
            diagnostic = diagnostic.also(self.span, format!("in this `{}`", self.definition.name));
        }
        for (index, (value, place)) in self.operands.iter().enumerate() {
            let ty = self.graph.ty(*value).to_string();
            if fault == Some(index) && *place != self.span {
                diagnostic = diagnostic.label(ty);
            } else if *place != self.span && self.operands.len() > 1 {
                diagnostic = diagnostic.also(*place, ty);
            }
        }
        diagnostic
    }
}

impl Mismatch {
    /// The diagnostic at `span`.
    pub fn at(self, span: Span) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(span, self.title).code(self.code);
        diagnostic.found = self.found;
        diagnostic.fits = self.fits;
        diagnostic.hints = self.hints;
        diagnostic
    }
}

impl Graph {
    /// Adds a parameter. That its name is new is checked by the caller of the operator, who knows all names.
    pub fn add_param(&mut self, param: Param) -> crate::graph::ParamId {
        self.params.push(param);
        crate::graph::ParamId(self.params.len() as u32 - 1)
    }
}

/// A finite number above 0.
fn positive(value: &Argument) -> Option<f64> {
    let number = match value {
        Argument::Int(v) => *v as f64,
        Argument::Float(v) => *v,
        _ => return None,
    };
    (number.is_finite() && number > 0.0).then_some(number)
}

/// Defaults are written as users would write them; `none` stands for nothing.
fn parse_default(text: &str) -> Option<Argument> {
    match text {
        "none" => None,
        "true" => Some(Argument::Bool(true)),
        "false" => Some(Argument::Bool(false)),
        _ if text.starts_with('[') => {
            let items = text.trim_matches(['[', ']']).split(", ");
            Some(Argument::List(items.filter_map(parse_default).collect()))
        }
        _ => {
            Some(text.parse().map(Argument::Int).unwrap_or_else(|_| {
                text.parse().map(Argument::Float).unwrap_or_else(|_| Argument::Word(text.to_owned()))
            }))
        }
    }
}
