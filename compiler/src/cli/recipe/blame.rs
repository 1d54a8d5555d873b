//! Mistakes of a network that are about what a recipe says: they are shown there.

use std::path::Path;

use super::page::Page;
use crate::budget;
use crate::compile::Failure;
use crate::diagnostics::{FileId, Span};

/// Shows mistakes about values of `set` and about `memory` in the recipe of this path and text.
pub fn blame(failure: &mut Failure, path: &Path, text: &str) {
    let file = failure.sources.add(path, text);
    let mut page = Page::new(path, text);
    page.yaml.file = file;
    for mistake in &mut failure.diagnostics {
        if mistake.code == budget::EXCEEDED {
            mistake.labels[0].span = page.yaml.value(page.top("memory"));
        }
        let about = |file: FileId| failure.sources.path(file).to_str()?.strip_prefix("parameter ");
        for label in &mut mistake.labels {
            if let Some(name) = about(label.span.file) {
                label.span = page.setting(name, label.span).unwrap_or_else(|| page.top("set"));
            }
        }
    }
}

impl Page<'_> {
    /// The place in `set` of a place in the text of a setting, `name=value`: the name, or its value.
    fn setting(&self, name: &str, place: Span) -> Option<Span> {
        let set = self.section("set");
        match place.start {
            0 => self.yaml.key_from(name, set.start as usize).filter(|key| key.end <= set.end),
            _ => self.value_in(set, name),
        }
    }
}
