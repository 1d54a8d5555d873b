//! Diagnostics as text for a terminal: the source line, a caret, what was found, what would fit.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{Diagnostic, SourceMap};

/// Renders diagnostics one after another; `color` asks for terminal colours.
pub fn render(sources: &SourceMap, diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    diagnostics.iter().map(|d| render_one(&renderer, sources, d) + "\n\n").collect()
}

fn render_one(renderer: &Renderer, sources: &SourceMap, diagnostic: &Diagnostic) -> String {
    let mut title = Level::ERROR.primary_title(&*diagnostic.title);
    if !diagnostic.code.is_empty() {
        title = title.id(diagnostic.code);
    }
    let mut report = title.element(place(sources, &diagnostic.labels[0], AnnotationKind::Primary));
    for label in &diagnostic.labels[1..] {
        report = report.element(place(sources, label, AnnotationKind::Context));
    }
    for call in &diagnostic.trace {
        report = report.element(place(sources, call, AnnotationKind::Context));
    }
    let notes = [("found", &diagnostic.found), ("fits", &diagnostic.fits)];
    for (what, text) in notes.into_iter().filter_map(|(what, text)| Some((what, text.as_ref()?))) {
        report = report.element(Level::NOTE.message(format!("{what}: {text}")));
    }
    for hint in &diagnostic.hints {
        report = report.element(Level::HELP.message(hint));
    }
    renderer.render(&[report])
}

fn place<'a>(
    sources: &'a SourceMap,
    label: &'a super::Label,
    kind: AnnotationKind,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = sources.text(label.span.file);
    let (start, end) = (label.span.start as usize, (label.span.end as usize).min(text.len()));
    let annotation = kind.span(start.min(end)..end);
    let annotation = if label.text.is_empty() { annotation } else { annotation.label(&*label.text) };
    Snippet::source(text).path(sources.path(label.span.file).to_string_lossy()).annotation(annotation)
}
