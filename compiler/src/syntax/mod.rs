//! Text to syntax tree, and back to text in one style.

pub mod ast;
mod build;
mod division;
mod format;
mod limits;
mod parse;
pub mod tokens;

pub use format::format;
pub use limits::MAX_BYTES;
pub use parse::parse;
