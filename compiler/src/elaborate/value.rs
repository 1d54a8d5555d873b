//! What expressions evaluate to.

use std::cell::RefCell;
use std::rc::Rc;

use crate::diagnostics::{FileId, Span};
use crate::graph::{ParamId, ValueId};
use crate::ops::{Argument, whole};
use crate::syntax::ast;

/// A value at compile time.
#[derive(Clone, Debug)]
pub enum Value {
    /// `3`
    Int(i64),
    /// `0.5`
    Float(f64),
    /// `true`
    Bool(bool),
    /// `"text"`
    Str(String),
    /// A bare word that an attribute accepts.
    Word(String),
    /// `[1, 2]`
    List(Rc<[Value]>),
    /// `(1, 2)`
    Tuple(Rc<[Value]>),
    /// `0..3`
    Range(i64, i64),
    /// A value of the graph.
    Tensor(ValueId),
    /// `shared tower(dim)`
    Shared(Rc<Shared>),
    /// A mistake was reported where it should have been made.
    Poison,
}

/// A block or operator with one set of weights.
#[derive(Debug)]
pub struct Shared {
    /// The file it was made in, which knows what the callee means.
    pub file: FileId,
    /// What is called.
    pub callee: ast::Ident,
    /// Arguments given at `shared`, behind those of each call.
    pub args: Vec<(Option<ast::Ident>, Value, Span)>,
    /// Name of the layer.
    pub layer: String,
    /// The weights, after the first call.
    pub weights: RefCell<Option<Vec<ParamId>>>,
}

impl Value {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Bool(_) => "a truth value",
            Self::Str(_) => "a string",
            Self::Word(_) => "a word",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Range(..) => "a range",
            Self::Tensor(_) => "a tensor",
            Self::Shared(_) => "a shared instance",
            Self::Poison => "nothing",
        }
    }

    /// As an operator's attribute; `None` for tensors and instances.
    pub fn argument(&self) -> Option<Argument> {
        Some(match self {
            Self::Int(v) => Argument::Int(*v),
            Self::Float(v) => Argument::Float(*v),
            Self::Bool(v) => Argument::Bool(*v),
            Self::Str(v) => Argument::Str(v.clone()),
            Self::Word(v) => Argument::Word(v.clone()),
            Self::List(v) | Self::Tuple(v) => Argument::List(v.iter().map(Self::argument).collect::<Option<Vec<_>>>()?),
            Self::Range(..) | Self::Tensor(_) | Self::Shared(_) | Self::Poison => return None,
        })
    }

    /// The weights of a shared instance, once it was called.
    pub fn weights(&self) -> Option<Argument> {
        match self {
            Self::Shared(shared) => shared.weights.borrow().clone().map(Argument::Weights),
            _ => None,
        }
    }

    /// The value and what it is: `3 (an integer)`.
    pub fn show(&self) -> String {
        match self.argument() {
            Some(argument) => format!("{argument} ({})", self.kind()),
            None => self.kind().to_owned(),
        }
    }

    /// How many values it is made of, and how deep they nest.
    pub fn extent(&self) -> (usize, usize) {
        match self {
            Self::List(items) | Self::Tuple(items) => {
                items.iter().map(Self::extent).fold((1, 1), |whole, item| (whole.0 + item.0, whole.1.max(item.1 + 1)))
            }
            _ => (1, 0),
        }
    }

    /// As a whole number: also `12.0`, which is one.
    pub fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(v) => Some(*v),
            Self::Float(v) => whole(*v),
            _ => None,
        }
    }

    /// As a number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(v) => Some(*v as f64),
            Self::Float(v) => Some(*v),
            _ => None,
        }
    }
}
