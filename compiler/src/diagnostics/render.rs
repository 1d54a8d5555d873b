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
    let mut report = title.elements(places(sources, &diagnostic.labels, true));
    for call in &diagnostic.trace {
        report = report.elements(places(sources, std::slice::from_ref(call), false));
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

/// A snippet for each file, with all labels in it; the first label of all is where the caret stands.
fn places<'a>(
    sources: &'a SourceMap,
    labels: &'a [super::Label],
    primary: bool,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut files: Vec<super::FileId> = labels.iter().map(|l| l.span.file).collect();
    files.dedup();
    let annotation = |(index, label): (usize, &'a super::Label)| {
        let kind = if primary && index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let end = (label.span.end as usize).min(sources.text(label.span.file).len());
        let annotation = kind.span((label.span.start as usize).min(end)..end);
        if label.text.is_empty() { annotation } else { annotation.label(&*label.text) }
    };
    let snippet = |file: super::FileId| {
        let inside = labels.iter().enumerate().filter(|(_, l)| l.span.file == file).map(annotation);
        Snippet::source(sources.text(file)).path(sources.path(file).to_string_lossy()).annotations(inside)
    };
    files.into_iter().map(snippet).collect()
}
