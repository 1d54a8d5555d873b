//! The picture as SVG: text stays text, colours stand on a page of their own, so that it looks the same in light and dark
//! surroundings.

use std::fmt::Write as _;

use super::super::summary::Counts;
use super::layout::{Layout, Point, Size, Task, layout};
use super::picture::{Edge, Family, Item, Picture, times};
use crate::emit::grouped;
use crate::graph::{Kind, Type};

/// Space around everything.
const MARGIN: f64 = 28.0;
/// Height of the head: name, sentence, figures.
const HEAD: f64 = 92.0;
/// Height of the legend.
const LEGEND: f64 = 44.0;
const PAGE: &str = "#fcfcfd";
const INK: &str = "#1d2433";
const PALE: &str = "#5d677a";
const LINE: &str = "#8792a6";
/// How edges are drawn that only training needs.
const DASHES: &str = " stroke-dasharray=\"4 3\"";

/// Word for the legend, fill, and border.
fn look(family: Family) -> (&'static str, &'static str, &'static str) {
    match family {
        Family::Input => ("input", "#dfe5ee", "#4f5d75"),
        Family::Target => ("target", "#f8e4ea", "#b8476c"),
        Family::Block => ("block", "#e4e2fb", "#5b4fd1"),
        Family::Convolution => ("convolution", "#dbeafe", "#2f6fd6"),
        Family::Dense => ("dense", "#f6e0f5", "#ac3fa6"),
        Family::Pool => ("pool", "#d9f3ea", "#15876a"),
        Family::Normalisation => ("normalisation", "#e3f2d4", "#5f8f24"),
        Family::Activation => ("activation", "#fdf0cd", "#b7800b"),
        Family::Other => ("without weights", "#eef0f3", "#8792a6"),
        Family::Loss => ("loss", "#fde2de", "#c8432f"),
        Family::Output => ("output", "#fff1e3", "#d4721a"),
    }
}

/// The picture as a document.
pub fn draw(picture: &Picture) -> String {
    let sizes: Vec<Size> = sizes(&picture.items);
    let edges: Vec<(usize, usize)> = picture.edges.iter().map(|e| (e.from, e.to)).collect();
    let drawn = layout(&Task { sizes: &sizes, edges: &edges, late: &late(picture) });
    let legend = legend(picture);
    let head = [(20.0, &picture.name), (12.0, &picture.about)].map(|(size, text)| width(text, size));
    let inner = head.into_iter().chain([drawn.size.0, legend.0]).fold(340.0, f64::max);
    let (wide, high) = (inner + 2.0 * MARGIN, HEAD + drawn.size.1 + LEGEND + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" \
         font-family=\"Inter, 'Segoe UI', Helvetica, Arial, sans-serif\" font-size=\"11\" fill=\"{INK}\">\n",
        round(wide),
        round(high)
    );
    let _ = writeln!(svg, "<title>{}</title>", escaped(&picture.name));
    let _ = writeln!(svg, "<rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"{PAGE}\"/>");
    write_head(&mut svg, picture);
    let shift = (MARGIN + (inner - drawn.size.0) / 2.0, MARGIN + HEAD);
    let _ = writeln!(svg, "<g transform=\"translate({} {})\">", round(shift.0), round(shift.1));
    for (edge, route) in picture.edges.iter().zip(&drawn.routes) {
        write_edge(&mut svg, picture, edge, route);
    }
    write_shapes(&mut svg, picture, &drawn);
    for ((item, size), centre) in picture.items.iter().zip(&sizes).zip(&drawn.centres) {
        write_item(&mut svg, item, *size, *centre);
    }
    svg += "</g>\n";
    let _ = writeln!(
        svg,
        "<g transform=\"translate({} {})\">\n{}</g>\n</svg>",
        round(MARGIN),
        round(high - MARGIN),
        legend.1
    );
    svg
}

fn write_head(svg: &mut String, picture: &Picture) {
    let figures = format!(
        "{} parameters · {} multiply-adds per image",
        grouped(picture.totals.params as u64),
        grouped(picture.totals.macs)
    );
    let lines = [(20.0, INK, "700", &picture.name), (12.0, PALE, "400", &picture.about), (12.0, INK, "400", &figures)];
    let mut y = MARGIN;
    for (size, ink, weight, text) in lines.into_iter().filter(|line| !line.3.is_empty()) {
        y += size * 0.8;
        let _ = writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{}\" font-size=\"{size}\" font-weight=\"{weight}\" fill=\"{ink}\">{}</text>",
            round(y),
            escaped(text)
        );
        y += size * 0.2 + 6.0;
    }
}

/// Whether a box is a small round one: sums, products and concatenations.
fn is_small(item: &Item) -> bool {
    item.family == Family::Other && item.then.is_empty()
}

/// The title of a box and what stands below it.
fn texts(item: &Item) -> (String, Vec<String>) {
    let title = match (item.title.as_str(), item.times) {
        ("add", _) => "+".to_owned(),
        ("sub", _) => "−".to_owned(),
        ("mul", _) => "×".to_owned(),
        (title, 1) => title.to_owned(),
        (title, times) => format!("{title}  × {times}"),
    };
    let mut lines = Vec::new();
    if !item.then.is_empty() {
        lines.push(item.then.join(" · "));
    }
    let mut facts: Vec<String> = match item.layers.as_slice() {
        [] => Vec::new(),
        [only] => vec![only.clone()],
        [first, .., last] if item.times > 1 => vec![format!("{first} … {last}")],
        [first, ..] => vec![first.clone()],
    };
    match item.counts.params {
        0 if item.shared => facts.push("weights as before".to_owned()),
        0 => {}
        params => facts.push(format!("{} params", short(params as u64))),
    }
    if item.counts.macs > 0 {
        facts.push(format!("{} MACs", short(item.counts.macs)));
    }
    if let Some(last) = facts.last_mut().filter(|_| item.times > 1) {
        *last += " each";
    }
    if !facts.is_empty() {
        lines.push(facts.join(" · "));
    }
    (title, lines)
}

/// How large each box is; those with figures are equally wide.
fn sizes(items: &[Item]) -> Vec<Size> {
    let needed = |item: &Item| {
        let (title, lines) = texts(item);
        let text = lines.iter().map(|line| width(line, 10.5)).fold(width(&title, 14.0), f64::max);
        (text + 28.0, 26.0 + 15.0 * lines.len() as f64)
    };
    let widest = items.iter().filter(|i| has_figures(i)).map(|i| needed(i).0).fold(0.0, f64::max);
    let size = |item: &Item| match needed(item) {
        (wide, high) if is_small(item) => (wide.max(high), high),
        (_, high) if has_figures(item) => (widest, high),
        (wide, high) => (wide.max(90.0), high),
    };
    items.iter().map(size).collect()
}

fn has_figures(item: &Item) -> bool {
    item.counts != Counts::default() || item.family == Family::Block
}

/// Which boxes depend on targets alone.
fn late(picture: &Picture) -> Vec<bool> {
    let mut late: Vec<bool> = picture.items.iter().map(|item| item.family != Family::Input).collect();
    let mut edges: Vec<&Edge> = picture.edges.iter().collect();
    edges.sort_by_key(|edge| edge.to);
    for edge in edges {
        late[edge.to] &= late[edge.from];
    }
    late
}

/// How far the sheets behind a box reach that stands for several.
fn behind(item: &Item) -> f64 {
    if item.times > 1 { 6.0 } else { 0.0 }
}

fn write_item(svg: &mut String, item: &Item, (wide, high): Size, (x, y): Point) {
    let (_, fill, border) = look(item.family);
    let (left, top) = (x - wide / 2.0, y - high / 2.0);
    let (title, lines) = texts(item);
    let pill = matches!(item.family, Family::Input | Family::Target | Family::Output | Family::Loss) || is_small(item);
    let corner = if pill { high / 2.0 } else { 6.0 };
    svg.push_str("<g>");
    if item.layers.len() > 1 {
        let _ = write!(svg, "<title>{}</title>", escaped(&item.layers.join(", ")));
    }
    let sheets: &[f64] = if item.times > 1 { &[2.0, 1.0, 0.0] } else { &[0.0] };
    for sheet in sheets {
        let aside = sheet * behind(item) / 2.0;
        let _ = write!(
            svg,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"{fill}\" stroke=\"{border}\"/>",
            round(left + aside),
            round(top + aside),
            round(wide),
            round(high),
            round(corner)
        );
    }
    let mut baseline = top + 17.5;
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" font-size=\"13\" font-weight=\"600\" text-anchor=\"middle\">{}</text>",
        round(x),
        round(baseline),
        escaped(&title)
    );
    for line in lines {
        baseline += 15.0;
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" font-size=\"10.5\" text-anchor=\"middle\" fill=\"{PALE}\">{}</text>",
            round(x),
            round(baseline),
            escaped(&line)
        );
    }
    svg.push_str("</g>\n");
}

/// A smooth line through the points, straight where it passes a rank, and the head of an arrow.
fn write_edge(svg: &mut String, picture: &Picture, edge: &Edge, route: &[Point]) {
    let (start, end) = (route[0], route[route.len() - 1]);
    let mut path = format!("M{} {}", round(start.0), round(start.1));
    for (index, pair) in route.windows(2).enumerate() {
        let (from, mut to) = (pair[0], pair[1]);
        if index + 2 == route.len() {
            to.1 -= 5.0;
        }
        let half = round((from.1 + to.1) / 2.0);
        let (x, y) = (round(to.0), round(to.1));
        let _ = match from.0 == to.0 {
            true => write!(path, "V{y}"),
            false => write!(path, "C{} {half} {x} {half} {x} {y}", round(from.0)),
        };
    }
    let dashes = if picture.items[edge.to].training { DASHES } else { "" };
    let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{LINE}\" stroke-width=\"1.3\"{dashes}/>");
    let (x, y) = end;
    let _ = writeln!(
        svg,
        "<path d=\"M{} {}L{} {}L{} {}Z\" fill=\"{LINE}\"/>",
        round(x),
        round(y),
        round(x - 3.8),
        round(y - 7.0),
        round(x + 3.8),
        round(y - 7.0)
    );
}

/// Shapes, once for each value: below the box that makes it, or, where that makes several, where they arrive.
fn write_shapes(svg: &mut String, picture: &Picture, drawn: &Layout) {
    let mut of: Vec<Vec<usize>> = vec![Vec::new(); picture.items.len()];
    for (index, edge) in picture.edges.iter().enumerate() {
        of[edge.from].push(index);
    }
    for edges in of.iter().filter(|edges| !edges.is_empty()) {
        let ty = |edge: &usize| &picture.edges[*edge].ty;
        if edges.iter().all(|edge| ty(edge) == ty(&edges[0])) {
            let start = drawn.routes[edges[0]][0];
            let aside = edges.iter().map(|edge| drawn.routes[*edge][1].0 - start.0);
            let (left, right) = aside.fold((0.0, 0.0), |(l, r), x| (f64::min(l, x), f64::max(r, x)));
            let below = 15.0 + behind(&picture.items[picture.edges[edges[0]].from]);
            write_shape(svg, ty(&edges[0]), (start.0, start.1 + below), right > -left);
        } else {
            for edge in edges {
                let end = drawn.routes[*edge][drawn.routes[*edge].len() - 1];
                write_shape(svg, ty(edge), (end.0, end.1 - 12.0), false);
            }
        }
    }
}

/// A shape on the side of a line that is free.
fn write_shape(svg: &mut String, ty: &Type, (x, y): Point, leftwards: bool) {
    let text = shape(ty);
    if !text.is_empty() {
        let (x, anchor) = if leftwards { (x - 6.0, " text-anchor=\"end\"") } else { (x + 6.0, "") };
        let (x, y) = (round(x), round(y));
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" font-size=\"10\"{anchor} fill=\"{PALE}\">{text}</text>");
    }
}

fn shape(ty: &Type) -> String {
    match ty.kind {
        Kind::Float => times(&ty.shape),
        Kind::Class(n) if ty.shape.is_empty() => format!("class of {n}"),
        Kind::Class(n) => format!("{}, classes of {n}", times(&ty.shape)),
    }
}

/// A patch and a word for each colour that occurs; also how wide that is.
fn legend(picture: &Picture) -> (f64, String) {
    let mut families: Vec<Family> = picture.items.iter().map(|i| i.family).collect();
    families.sort_unstable();
    families.dedup();
    let (mut x, mut svg) = (0.0, String::new());
    for family in families {
        let (word, fill, border) = look(family);
        let _ = writeln!(
            svg,
            "<rect x=\"{}\" y=\"-10\" width=\"11\" height=\"11\" rx=\"3\" fill=\"{fill}\" stroke=\"{border}\"/>\
             <text x=\"{}\" y=\"0\" fill=\"{PALE}\">{word}</text>",
            round(x),
            round(x + 17.0)
        );
        x += 17.0 + width(word, 11.0) + 16.0;
    }
    if picture.items.iter().any(|item| item.training) {
        let _ = writeln!(
            svg,
            "<path d=\"M{} -4h26\" stroke=\"{LINE}\" stroke-width=\"1.3\"{DASHES}/>\
             <text x=\"{}\" y=\"0\" fill=\"{PALE}\">training only</text>",
            round(x),
            round(x + 32.0)
        );
        x += 32.0 + width("training only", 11.0) + 16.0;
    }
    (x - 16.0, svg)
}

/// How wide a text is at most, in the fonts that browsers have.
fn width(text: &str, size: f64) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | '·' | ' ' | '|' | '\'' | ':' | 'f' | 't' | 'r' => 0.36,
        'm' | 'w' | 'M' | 'W' | '…' => 0.92,
        'A'..='Z' => 0.72,
        _ => 0.62,
    };
    size * text.chars().map(of).sum::<f64>()
}

/// `9.4 K`, `1.2 M`: three digits at most, and one behind the point.
fn short(number: u64) -> String {
    let (value, unit) = match number {
        0..1_000 => return number.to_string(),
        1_000..999_500 => (number as f64 / 1e3, "K"),
        999_500..999_500_000 => (number as f64 / 1e6, "M"),
        _ => (number as f64 / 1e9, "G"),
    };
    let digits = if value < 99.95 { 1 } else { 0 };
    format!("{value:.digits$} {unit}")
}

/// Tenths of a pixel are fine enough.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0 + 0.0
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
