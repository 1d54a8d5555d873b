//! `cnnc operators`: the reference of the language's operators, from their definitions.

use serde_json::{Value, json};

use super::Failed;
use crate::ops::{Attribute, DEFINITIONS, Definition, definition, meant, written};

/// What the command prints: a line for each operator, or the page of one.
pub fn reference(name: Option<&str>, as_json: bool) -> Result<String, Failed> {
    match (name, as_json) {
        (None, false) => Ok(list()),
        (None, true) => Ok(pretty(&Value::Array(DEFINITIONS.iter().map(|d| json(d)).collect()))),
        (Some(name), false) => Ok(page(find(name)?)),
        (Some(name), true) => Ok(pretty(&json(find(name)?))),
    }
}

/// All of them as the page `docs/operators.md`.
pub fn markdown() -> String {
    let names: Vec<String> = DEFINITIONS.iter().map(|d| format!("[`{0}`](#{0})", d.name)).collect();
    let sections: String = DEFINITIONS.iter().map(|d| section(d)).collect();
    format!("{MARKDOWN}\n{}\n{sections}", names.join(" · "))
}

/// What stands above the operators of the page.
const MARKDOWN: &str = "# Operators

Written by `cnnc operators --markdown`; `cnnc operators NAME` shows one of them. Tensors come first, by position or by a pipe; the
other arguments have names, and those that may also go by position stand in the call in that order. Every example is tested, and
[the language](language.md) has whole networks.

Shapes are without the batch, first of the tensors, then of the value. A name is the size of a dimension, and the same wherever it
stands; `*space` is any number of axes, and `*space'` as many of other sizes, computed behind the semicolon for each axis apart,
where `before` and `after` are the padding. `[]` is one number for each image, `class(n, [...])` a target of classes, and `..` says
that there may be more; any other name with a prime is computed there, too. What computes with neighbours in space or with its sizes
needs one to three axes of it.
";

fn section(definition: &Definition) -> String {
    let Definition { name, summary, shapes, source, attributes, example, .. } = definition;
    let plain = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    let row = |a: &Attribute| format!("| `{}` | {} |\n", argument(a), plain(&about(a)));
    let rows: String = attributes.iter().map(row).collect();
    let table = if rows.is_empty() { rows } else { format!("| argument | |\n|---|---|\n{rows}\n") };
    let what = format!("`{}`: {}\n\n`{shapes}`\n\nSource: {source}.", call(definition), plain(summary));
    format!("\n## {name}\n\n{what}\n\n{table}```\n{example}\n```\n")
}

fn find(name: &str) -> Result<&'static Definition, Failed> {
    definition(name).ok_or_else(|| {
        let near = match written(name) {
            Some(how) => format!("\nhelp: write `{how}`"),
            None => meant(name, std::iter::empty()).map_or(String::new(), |n| format!("\nhelp: did you mean `{n}`?")),
        };
        Failed::input(format!("there is no operator `{name}`\nfits: what `cnnc operators` lists{near}"))
    })
}

fn list() -> String {
    let calls: Vec<String> = DEFINITIONS.iter().map(|d| format!("{}({})", d.name, d.operands.join(", "))).collect();
    let width = calls.iter().map(|call| call.chars().count()).max().unwrap_or(0);
    let lines = calls.iter().zip(DEFINITIONS).map(|(call, d)| format!("{call:width$}  {}\n", d.summary));
    lines.collect::<String>() + "\n`cnnc operators NAME` says more: arguments, defaults, an example.\n"
}

fn page(definition: &Definition) -> String {
    let Definition { summary, shapes, source, operands, attributes, example, .. } = definition;
    let mut rows: Vec<(String, String)> = operands.iter().map(|name| operand(name)).collect();
    rows.extend(attributes.iter().map(|a| (argument(a), about(a))));
    let call = call(definition);
    let width = rows.iter().map(|(argument, _)| argument.len()).max().unwrap_or(0);
    let rows: String = rows.iter().map(|(argument, text)| format!("  {argument:width$}  {text}\n")).collect();
    format!("{call}\n\n{summary}\n\n{rows}\nShapes:\n  {shapes}\n\nSource:\n  {source}\n\nExample:\n  {example}\n")
}

/// How it is called, with all arguments and their defaults.
fn call(Definition { name, operands, attributes, .. }: &Definition) -> String {
    let operands = operands.iter().map(|operand| (*operand).to_owned());
    let arguments: Vec<String> = operands.chain(attributes.iter().map(argument)).collect();
    format!("{name}({})", arguments.join(", "))
}

/// A tensor operand and what it may be.
fn operand(name: &str) -> (String, String) {
    let what = match name {
        "label" => "a target of classes",
        "target" => "a target, or a tensor",
        _ if name.ends_with("..") => "tensors, one or more, or a list of them",
        _ => "a tensor",
    };
    (name.to_owned(), what.to_owned())
}

/// An attribute as one would write it, with its default.
fn argument(attribute: &Attribute) -> String {
    match attribute.default {
        Some(default) => format!("{}: {default}", attribute.name),
        None => attribute.name.to_owned(),
    }
}

fn about(attribute: &Attribute) -> String {
    let position = if attribute.positional && attribute.default.is_some() { " (also by position)" } else { "" };
    format!("{}{position}", attribute.doc)
}

fn json(definition: &Definition) -> Value {
    let attribute = |a: &Attribute| json!({ "name": a.name, "doc": a.doc, "default": a.default, "positional": a.positional, "words": a.words });
    json!({
        "name": definition.name,
        "operands": definition.operands,
        "summary": definition.summary,
        "shapes": definition.shapes,
        "source": definition.source,
        "attributes": definition.attributes.iter().map(attribute).collect::<Vec<_>>(),
        "example": definition.example,
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
