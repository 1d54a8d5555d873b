//! The syntax tree of `.net` files. Every node keeps its place in the text.

use crate::diagnostics::Span;

/// A whole file.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct File {
    /// Top-level items in order.
    pub items: Vec<Item>,
}

/// A top-level item.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `use "blocks/residual.net"`
    Use {
        /// The `///` lines before it.
        docs: Vec<String>,
        /// Path, relative to the file it stands in.
        path: String,
        /// Place of the string.
        span: Span,
    },
    /// `const width = 64`
    Const {
        /// The `///` lines before it.
        docs: Vec<String>,
        /// Its name and value.
        binding: Binding,
    },
    /// `block name(x, width, stride = 1) { ... }`
    Block(Definition),
    /// `net Name(classes = 10) { ... }`
    Net(Definition),
    /// `net ResNet50 = ResNet(units: [3, 4, 6, 3])`
    Variant(Variant),
}

/// A net that is another one with other defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The `///` lines before it.
    pub docs: Vec<String>,
    /// Its name.
    pub name: Ident,
    /// The other net, and values for its parameters.
    pub call: Call,
    /// From the keyword to the closing bracket.
    pub span: Span,
}

/// A net or a block: a name, parameters and statements.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The `///` lines before it, without the slashes and one leading space.
    pub docs: Vec<String>,
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its statements.
    pub body: Vec<Stmt>,
    /// From the keyword to the closing brace.
    pub span: Span,
}

/// A name and its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ident {
    /// The name.
    pub name: String,
    /// Its place.
    pub span: Span,
}

/// A parameter of a net or block.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// What it is when the call does not say.
    pub default: Option<Expr>,
}

/// `pattern = value`
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// What is bound.
    pub pattern: Pattern,
    /// What it is bound to.
    pub value: Expr,
}

/// What stands left of `=` or after `for`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// One name.
    Name(Ident),
    /// `(a, b)`, which may nest.
    Tuple(Vec<Pattern>, Span),
}

/// A statement of a net or block.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// `///` lines before it.
    pub docs: Vec<String>,
    /// What it is.
    pub kind: StmtKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `input a, b: [3, 96, 96]`
    Input {
        /// Their names.
        names: Vec<Ident>,
        /// Their shape, a list without the batch.
        shape: Expr,
    },
    /// `target label: class(classes)` or `target map: [1, 28, 28]`
    Target {
        /// Their names.
        names: Vec<Ident>,
        /// `class(n)` or a shape.
        kind: Expr,
    },
    /// `output probabilities = softmax(logits)`; without a value the binding of that name.
    Output {
        /// Its name.
        name: Ident,
        /// Its value.
        value: Option<Expr>,
    },
    /// `loss cross_entropy(logits, label)`
    Loss(Expr),
    /// `x = ...`
    Let(Binding),
    /// `for i in 0..3 { ... }`
    For {
        /// What each element is bound to.
        pattern: Pattern,
        /// A range or list.
        iter: Expr,
        /// The statements; bindings of names that exist outside rebind them (as `x = x |> ...` does).
        body: Vec<Stmt>,
    },
    /// `if cond { ... } else { ... }`
    If {
        /// The condition, a bool known at compile time.
        cond: Expr,
        /// When it holds.
        then: Vec<Stmt>,
        /// When it does not; an `else if` is one `If` statement in here.
        otherwise: Vec<Stmt>,
    },
    /// `train { ... }`: statements that only the training graph has.
    Train(Vec<Stmt>),
    /// `freeze features, tower`
    Freeze(Vec<Expr>),
    /// `return y` of a block.
    Return(Expr),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `12`
    Int(i64),
    /// `0.5`, `1e-3`
    Float(f64),
    /// `true`
    Bool(bool),
    /// `"layer{i}"`
    Str(Template),
    /// `x`
    Name(String),
    /// `[1, 2]`
    List(Vec<Expr>),
    /// `(1, 64, 3)`
    Tuple(Vec<Expr>),
    /// `0..count`, the end excluded
    Range(Box<Expr>, Box<Expr>),
    /// `x.channels`
    Field(Box<Expr>, Ident),
    /// `widths[i]`
    Index(Box<Expr>, Box<Expr>),
    /// `conv(x, 6, 5, pad: 2)`, `embed(anchor)`
    Call(Call),
    /// `x |> stage`: the left value becomes the first argument of the stage.
    /// The stage is a `Name`, a `Call`, or a `Named` around one of them.
    Pipe(Box<Expr>, Box<Expr>),
    /// `stage as conv1`, `stage as "layer{stage}.{i}"`
    Named(Box<Expr>, Template, Span),
    /// `if c { a } else { b }`, an `else if` is one `If` in `otherwise`.
    If {
        /// The condition, a bool known at compile time.
        cond: Box<Expr>,
        /// When it holds.
        then: Box<Expr>,
        /// When it does not.
        otherwise: Box<Expr>,
    },
    /// `shared tower(dim)`: an instance with one set of weights, to be called.
    Shared(Box<Expr>),
    /// `-x`, `not c`
    Unary(Unary, Box<Expr>),
    /// `a + b`
    Binary(Binary, Box<Expr>, Box<Expr>),
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub callee: Ident,
    /// The arguments, positional ones first.
    pub args: Vec<Arg>,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// `pad` in `pad: 2`.
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
}

/// A string with `{expression}` parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(pub Vec<TemplatePart>);

/// A part of a string.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePart {
    /// As it stands.
    Text(String),
    /// The value of an expression.
    Value(Expr),
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `-`
    Negate,
    /// `not`
    Not,
}

/// Infix operators, loosest first: `or`, `and`, comparison, `..`, `+ -`, `* / %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; of two integers it must be exact
    Divide,
    /// `%`
    Remainder,
}
