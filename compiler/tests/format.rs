//! The one style keeps what a text says, and has a line for everything.

use cnnc::diagnostics::SourceMap;
use cnnc::syntax::{format, parse};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The tree of a text without the places in it.
fn tree(text: &str) -> String {
    let mut sources = SourceMap::default();
    let file = sources.add("text", text.to_owned());
    let tree = parse(&sources, file).unwrap_or_else(|mistakes| panic!("{}\n{text}", mistakes[0].title));
    let debug = format!("{tree:?}");
    let mut parts = debug.split("Span {");
    let first = parts.next().unwrap_or("").to_owned();
    parts.fold(first, |all, part| all + part.split_once('}').expect("a place ends").1)
}

fn formatted(text: &str) -> String {
    format("text", text).unwrap_or_else(|(_, mistakes)| panic!("{}\n{text}", mistakes[0].title))
}

/// A name that may be long.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("x"), Just("width"), Just("a_name_of_some_length"), Just("y1")].prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        name(),
        (0..100_000_u32).prop_map(|n| n.to_string()),
        Just("0.5".to_owned()),
        Just("-2".to_owned()),
        Just("\"layer{width}.conv\"".to_owned()),
        Just("x.channels".to_owned()),
        Just("width[1]".to_owned()),
        Just("true".to_owned()),
    ]
}

/// Between the parts of a list, as authors have it.
fn joined(parts: &[String]) -> String {
    parts.join(if parts.len() % 3 == 2 { ",\n  " } else { ", " })
}

fn call(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (name(), vec((option::of(name()), inner), 0..7)).prop_map(|(callee, args)| {
        let arg = |(name, value): &(Option<String>, String)| match name {
            Some(name) => format!("{name}: {value}"),
            None => value.clone(),
        };
        format!("{callee}({})", joined(&args.iter().map(arg).collect::<Vec<_>>()))
    })
}

/// A pipeline, broken here and there.
fn pipeline(inner: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let stage = (any::<bool>(), prop_oneof![name(), call(inner)], option::of(name()));
    (leaf(), vec(stage, 1..6)).prop_map(|(first, stages)| {
        stages.iter().fold(first, |all, (breaks, stage, name)| {
            let space = if *breaks { "\n      " } else { " " };
            let name = name.as_ref().map_or(String::new(), |name| format!(" as {name}"));
            format!("{all}{space}|> {stage}{name}")
        })
    })
}

fn expression() -> impl Strategy<Value = String> + Clone {
    leaf().prop_recursive(4, 60, 7, |inner| {
        let operand = prop_oneof![leaf(), inner.clone().prop_map(|inner| format!("({inner})"))];
        let sign = prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%"), Just("and"), Just("or")];
        prop_oneof![
            vec(inner.clone(), 0..12).prop_map(|items| format!("[{}]", joined(&items))),
            vec(-99_999..99_999_i32, 2..60)
                .prop_map(|n| format!("[{}]", joined(&n.iter().map(i32::to_string).collect::<Vec<_>>()))),
            vec(inner.clone(), 2..5).prop_map(|items| format!("({})", joined(&items))),
            call(inner.clone()),
            (leaf(), vec((sign, operand.clone()), 1..7))
                .prop_map(|(first, rest)| rest.iter().fold(first, |all, (sign, next)| format!("{all} {sign} {next}"))),
            pipeline(inner.clone()).prop_map(|pipe| format!("({pipe})")),
            (operand.clone(), inner.clone(), inner.clone())
                .prop_map(|(cond, then, other)| format!("(if {cond} == 3 {{ {then} }} else {{ {other} }})")),
            operand.clone().prop_map(|operand| format!("not {operand}")),
            operand.prop_map(|operand| format!("-{operand}")),
            (call(leaf()), name()).prop_map(|(call, name)| format!("(shared {call} as {name})")),
        ]
    })
}

fn value() -> impl Strategy<Value = String> + Clone {
    prop_oneof![expression(), pipeline(expression())]
}

fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        value().prop_map(|value| format!("x = {value}")),
        value().prop_map(|value| format!("output y1 = {value}")),
        value().prop_map(|value| format!("loss {value}")),
        value().prop_map(|value| format!("return {value}")),
        vec(name(), 1..9).prop_map(|names| format!("input {}: [1, 2]", names.join(", "))),
        (name(), value()).prop_map(|(name, kind)| format!("target {name}: {kind}")),
        vec(expression(), 1..9).prop_map(|what| format!("freeze {}", what.join(", "))),
        (expression(), value()).prop_map(|(iter, value)| format!("for (x, width) in {iter} {{\n x = {value}\n}}")),
        (expression(), value(), value()).prop_map(|(cond, then, other)| {
            format!("if {cond} {{ x = {then} }} else if width {{\n\n loss {other} }} else {{ loss x }}")
        }),
    ]
}

/// A file, with a comment behind or before some statements.
fn file() -> impl Strategy<Value = String> {
    let params = vec((name(), option::of(expression())), 0..6);
    (params, vec((statement(), 0..4_u8), 1..5)).prop_map(|(params, body)| {
        let param = |(name, default): &(String, Option<String>)| match default {
            Some(default) => format!("{name} = {default}"),
            None => name.clone(),
        };
        let params = params.iter().map(param).collect::<Vec<_>>().join(", ");
        let line = |(index, (stmt, comment)): (usize, &(String, u8))| match comment {
            0 => format!("{stmt} // remark {index}, and more\n"),
            1 => format!("// remark {index}\n\n{stmt}\n"),
            2 => format!("/// About {index}.\n{stmt}\n"),
            _ => format!("{stmt}\n"),
        };
        let body: String = body.iter().enumerate().map(line).collect();
        format!("block b({params}) {{\n{body}}}\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    fn check(text in file()) {
        let once = formatted(&text);
        prop_assert_eq!(tree(&once), tree(&text), "{}", once);
        prop_assert_eq!(&formatted(&once), &once);
        let remarks = |text: &str| text.matches("// remark").count();
        prop_assert_eq!(remarks(&once), remarks(&text), "{}", once);
        for line in once.lines().filter(|line| !line.contains("//")) {
            prop_assert!(line.chars().count() <= 100, "{}\n{}", line, once);
        }
    }
}

/// Strategies of strategies take more stack than threads of tests have.
#[test]
fn says_the_same_in_lines_that_fit() {
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(check).expect("a thread");
    thread.join().expect("the property holds");
}
