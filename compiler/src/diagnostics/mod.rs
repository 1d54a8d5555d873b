//! Mistakes in a specification, told so that the reader learns what would fit.
//!
//! A [`Diagnostic`] is made where the rule that was broken is known, next to that rule; this module holds only the
//! vocabulary. A stage collects several diagnostics before it gives up, so one run shows more than one mistake.

mod render;
mod source;
mod yaml;

pub use render::render;
pub use source::{FileId, SourceMap, Span};
pub use yaml::Yaml;

/// One mistake: what is wrong, where, what was found and what would fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Stable name of the broken rule, such as `conv-C3`; empty for rules of the language itself.
    pub code: &'static str,
    /// One sentence without a full stop.
    pub title: String,
    /// Places; the first one is where the caret stands.
    pub labels: Vec<Label>,
    /// What the specification says.
    pub found: Option<String>,
    /// What would have been accepted.
    pub fits: Option<String>,
    /// Suggestions: nearest names, the arithmetic behind a shape.
    pub hints: Vec<String>,
    /// The block calls that led here, innermost first.
    pub trace: Vec<Label>,
}

/// A place and what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is said; may be empty.
    pub text: String,
}

/// The result of a stage: a value, or at least one diagnostic.
pub type Outcome<T> = Result<T, Vec<Diagnostic>>;

impl Diagnostic {
    /// A mistake at `span`.
    pub fn new(span: Span, title: impl Into<String>) -> Self {
        Self {
            code: "",
            title: title.into(),
            labels: vec![Label { span, text: String::new() }],
            found: None,
            fits: None,
            hints: Vec::new(),
            trace: Vec::new(),
        }
    }

    /// Names the broken rule.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Says what stands under the caret.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.labels[0].text = text.into();
        self
    }

    /// Adds a second place that matters.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what was found.
    #[must_use]
    pub fn found(mut self, text: impl Into<String>) -> Self {
        self.found = Some(text.into());
        self
    }

    /// Says what would fit.
    #[must_use]
    pub fn fits(mut self, text: impl Into<String>) -> Self {
        self.fits = Some(text.into());
        self
    }

    /// Adds a suggestion.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Where the caret stands.
    pub fn span(&self) -> Span {
        self.labels[0].span
    }
}

/// The candidate closest to `name`, if one is close enough to be what the author meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&name.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}
