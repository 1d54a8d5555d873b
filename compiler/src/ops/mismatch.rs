//! Operands that do not fit.

/// Why operands do not fit an operator; the caller knows the place and makes a
/// [`Diagnostic`](crate::diagnostics::Diagnostic) of it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Mismatch {
    /// The broken constraint, `conv-C3`.
    pub code: &'static str,
    /// One sentence without a full stop.
    pub title: String,
    /// What was found.
    pub found: Option<String>,
    /// What would fit.
    pub fits: Option<String>,
    /// Suggestions.
    pub hints: Vec<String>,
    /// The operand that is at fault, by position, when it is one.
    pub operand: Option<usize>,
}

impl Mismatch {
    /// A broken constraint.
    pub fn new(code: &'static str, title: impl Into<String>) -> Self {
        Self { code, title: title.into(), ..Self::default() }
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

    /// Names the operand at fault.
    #[must_use]
    pub fn operand(mut self, index: usize) -> Self {
        self.operand = Some(index);
        self
    }
}
