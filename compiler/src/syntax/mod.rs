//! Text to syntax tree, and back to text in one style.

pub mod ast;
mod build;
mod limits;
mod parse;
pub mod tokens;

pub use limits::MAX_BYTES;
pub use parse::parse;
