//! What specifications mean: scopes, names, shared weights, frozen weights, files, values from outside.

use std::collections::HashMap;
use std::path::Path;

use cnnc::compile::{Options, elaborate};
use cnnc::diagnostics::SourceMap;
use cnnc::elaborate::{self, Loader};
use cnnc::graph::{Graph, ParamKind, Role, ValueId, verify};
use cnnc::ops::{DEFINITIONS, Op, WRITTEN, shapes, written};

/// Files in memory.
struct Shelf(HashMap<&'static str, &'static str>);

impl Loader for Shelf {
    fn read(&self, path: &Path) -> Result<String, String> {
        let text = path.to_str().and_then(|path| self.0.get(path));
        text.map(|text| (*text).to_owned()).ok_or_else(|| "there is no such file".to_owned())
    }

    fn siblings(&self, _path: &Path) -> Vec<String> {
        self.0.keys().map(|path| (*path).to_owned()).collect()
    }
}

fn try_graph(text: &str, files: &[(&'static str, &'static str)], set: &[(&str, &str)]) -> Result<Graph, String> {
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options =
        Options { elaborate: elaborate::Options { set, ..elaborate::Options::default() }, ..Options::default() };
    let mut sources = SourceMap::default();
    let entry = sources.add("nets/main.net", text);
    let shelf = Shelf(files.iter().copied().collect());
    match elaborate(sources, &shelf, entry, &options) {
        Ok((_, graph)) => {
            verify(&graph).unwrap_or_else(|why| panic!("{why}"));
            Ok(graph)
        }
        Err(failure) => Err(failure.render(false)),
    }
}

fn graph(text: &str) -> Graph {
    try_graph(text, &[], &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The net `A` with an input `x` and these statements.
fn net(shape: &str, body: &str) -> Graph {
    graph(&format!("net A(n = 3) {{ input x: {shape} {body} }}"))
}

fn weights(graph: &Graph) -> Vec<&str> {
    graph.params.iter().map(|p| p.name.as_str()).collect()
}

fn output(graph: &Graph) -> ValueId {
    graph.outputs[0].value
}

/// The shape of the output `y` of `net`.
fn shape(shape: &str, body: &str) -> Vec<usize> {
    let graph = net(shape, body);
    graph.ty(output(&graph)).shape.clone()
}

/// How many channels `conv(x, VALUE, 1)` has: a way to see a value.
fn value(expression: &str) -> usize {
    shape("[4, 6, 5]", &format!("output y = conv(x, {expression}, 1)"))[0]
}

/// What the example of an operator calculates with, beside the input `x` and `vector`; `scores` are an output.
fn setting(operator: &str) -> &'static str {
    match operator {
        "roi_pool" | "roi_align" => "features = x rois = vector |> slice(0, 8) |> reshape([2, 4]) scores = rois",
        "yolo_v1" => "map = conv(x, 13, 1) scores = map",
        "yolo_v2" => "map = conv(x, 16, 1) scores = map",
        "yolo_v3" | "yolo_decode" => "map = conv(x, 24, 1) scores = map",
        "proposals" | "rpn" => "scores = conv(x, 9, 1) deltas = conv(x, 36, 1)",
        "fast_rcnn" => {
            "rois = vector |> slice(0, 12) |> reshape([3, 4]) scores = vector |> dense(12) |> reshape([3, 4])
             deltas = vector |> dense(48) |> reshape([3, 16])"
        }
        _ => "scores = vector |> dense(10)",
    }
}

#[test]
fn examples_of_definitions_elaborate() {
    for definition in DEFINITIONS {
        let compares = |target: &str| definition.example.contains(target);
        let target = [("objects", "[3, 5]"), ("wanted", "[10]"), ("label)", "class(10)"), ("label,", "class(10)")]
            .into_iter()
            .find(|(name, _)| compares(name));
        let used = match target {
            Some((name, shape)) => {
                let name = name.trim_end_matches([')', ',']);
                format!("output scores target {name}: {shape} loss {}", definition.example)
            }
            None => format!("output y = {} output scores", definition.example),
        };
        let setting = setting(definition.name);
        graph(&format!("net A {{ input x: [3, 12, 12] vector = flatten(x) {setting} {used} }}"));
    }
}

#[test]
fn definitions_say_what_goes_in_and_where_it_is_from() {
    for definition in DEFINITIONS {
        let (count, more) = shapes::operands(definition.shapes);
        let variadic = definition.operands.last().is_some_and(|operand| operand.ends_with(".."));
        assert_eq!((count, more), (definition.operands.len(), variadic), "{}", definition.name);
        let source = definition.source;
        let year = |word: &str| word.len() == 4 && (word.starts_with("19") || word.starts_with("20"));
        let named = source
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| ["PyTorch", "torchvision", "Python"].contains(&word) || year(word));
        assert!(named, "{}: neither a paper nor a function in {source:?}", definition.name);
        assert!(!source.ends_with('.') && !definition.summary.ends_with('.'), "{}", definition.name);
    }
}

#[test]
fn what_is_no_operator_can_be_written_as_is_said() {
    for (name, how) in WRITTEN {
        assert!(DEFINITIONS.iter().all(|d| d.name != *name), "{name} is an operator");
        assert_eq!(shape("[4, 8]", &format!("output y = {how}")).len(), 2, "{name}");
    }
    assert_eq!((written("SeparableConv2d"), written("hardtanh")), (written("separable_conv"), written("hard_tanh")));
    assert_eq!((written("conv"), written("relu3d")), (None, None));
}

#[test]
fn arithmetic_is_exact() {
    assert_eq!(value("7 % 4 + 2 * (5 - 3) / 2 - -1"), 6);
    assert_eq!(value("if 7 / 2.0 == 3.5 and not (1 > 2) or 8 / 0 == 1 { 8 } else { 9 }"), 8);
    assert_eq!(value("(0 - 7) % 4"), 1, "remainders are not negative");
    assert_eq!(value("[1, 2, [5, 6]][2][1] + (1, 2).len"), 8);
    assert_eq!(value("([1] + [2, 3]).len"), 3);
    assert_eq!(value("if \"a{n}\" + \"b\" == \"a3b\" { 2 } else { 1 }"), 2);
    assert_eq!(value("if 1 == 1.0 and [1, 2] == [1, 2] and \"a\" != \"b\" { 2 } else { 1 }"), 2);
}

#[test]
fn functions_of_numbers() {
    assert_eq!(value("floor(7 / 2.0)"), 3);
    assert_eq!(value("ceil(7 / 2.0) + round(2.5) + floor(2)"), 4 + 3 + 2);
    assert_eq!(value("7 / 2.0 |> floor"), 3);
    assert_eq!(value("max(1, n, 2) * min(4.0, 5)"), 12, "a number that is worth a whole one stands for it");
    assert_eq!(shape("[4, 6, 5]", "output y = max(x, axes: 0)"), [6, 5], "of a tensor it is the operator");
    let block = "block floor(x) { return 5 * x } net A { input x: [3] output y = dense(x, floor(2)) }";
    assert_eq!(graph(block).ty(output(&graph(block))).shape, [10], "a block of the name goes first");
}

#[test]
fn numbers_follow_the_kind_of_the_default() {
    let text = "block wide(x, factor = 1.0) { return x |> dense(4 * (factor / 2)) }
                net A(n = 3, rate = 0.5) { input x: [n] output y = x |> wide(3) |> dense(n / 1 + 4 * (rate / 2)) }
                net B = A(n: 6.0, rate: 1)";
    let shape_of = |set: &[(&str, &str)]| {
        let graph = try_graph(text, &[], set).unwrap_or_else(|errors| panic!("{errors}"));
        graph.ty(output(&graph)).shape.clone()
    };
    assert_eq!(shape_of(&[]), [4]);
    assert_eq!(shape_of(&[("n", "5.0"), ("rate", "1")]), [7]);
}

#[test]
fn lists_of_tensors_go_where_many_tensors_go() {
    let list = "ys = [x] for i in 0..2 { ys = ys + [relu(x)] }";
    assert_eq!(shape("[4, 6, 5]", &format!("{list} output y = concat(ys)")), [12, 6, 5]);
    assert_eq!(shape("[4, 6, 5]", &format!("{list} output y = concat(x, ys, axis: 1)")), [4, 24, 5]);
    assert_eq!(shape("[4, 6, 5]", &format!("{list} output y = ys |> add |> mul(ys)")), [4, 6, 5]);
}

#[test]
fn words_can_be_passed_on_as_strings() {
    let text = "block up(x, mode = \"nearest\") { return x |> upsample(2, mode: mode) }
                net A { input x: [3, 4, 4] output y = x |> up(\"bilinear\") |> up |> conv(4, 3, pad: \"same\") }";
    let graph = graph(text);
    assert_eq!(graph.ty(output(&graph)).shape, [4, 16, 16]);
}

#[test]
fn shapes_are_known_to_the_next_line() {
    assert_eq!(value("x.channels + x.height * x.width + x.rank + x.shape[1]"), 4 + 30 + 3 + 6);
    assert_eq!(shape("[2, 9]", "output y = x |> conv(x.length, 3)"), [9, 7]);
    assert_eq!(shape("[2, 3, 4, 5]", "output y = x |> conv(x.depth * x.width, 1)"), [15, 3, 4, 5]);
}

#[test]
fn loops_and_conditions_rebind_outer_names() {
    let body = "for (width, stride) in [(8, 1), (16, 2)] { x = conv(x, width, 3, stride: stride, pad: 1) }
                for i in 0..n { if i % 2 == 0 { x = conv(x, 16 + i, 1) } else { x = relu(x) } }
                output y = x";
    assert_eq!(shape("[3, 8, 8]", body), [18, 4, 4]);
}

#[test]
fn blocks_return_from_branches_and_loops() {
    let text = "block pick(x, n) { for i in 1..9 { if i == n { return conv(x, i, 1) } } return x }
                net A { input x: [3, 8, 8] output y = concat(x |> pick(5), x |> pick(50)) }";
    let graph = graph(text);
    assert_eq!(graph.ty(output(&graph)).shape, [8, 8, 8]);
}

#[test]
fn pipelines_pass_the_value_first() {
    let piped = net("[3, 8, 8]", "output y = x |> conv(4, 3) as a |> relu |> add(x |> conv(4, 3) as b)");
    let called = net("[3, 8, 8]", "output y = add(relu(conv(x, 4, 3) as a), conv(x, 4, 3) as b)");
    assert_eq!(weights(&piped), weights(&called));
    assert_eq!(weights(&piped), ["a.weight", "a.bias", "b.weight", "b.bias"]);
}

#[test]
fn names_count_each_operator_apart() {
    let plain = net("[3, 8, 8]", "output y = x |> conv(4, 3) |> conv(4, 3) |> flatten |> dense(2)");
    let more = net("[3, 8, 8]", "output y = x |> conv(4, 3) |> relu |> conv(4, 3) |> tanh |> flatten |> dense(2)");
    assert_eq!(weights(&plain)[..4], ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]);
    assert_eq!(weights(&plain), weights(&more), "activations do not rename layers");
}

#[test]
fn names_of_blocks_nest() {
    let graph = graph(
        "block unit(x) { return x |> conv(4, 3, pad: same, bias: false) |> conv(4, 1, bias: false) as last }
         block stage(x, n) { for i in 0..n { x = x |> unit as \"{i}\" } return unit(x) }
         net A { input x: [4, 8, 8] output y = x |> stage(2) as layer1 |> stage(1) }",
    );
    let names = [
        "layer1.0.conv1.weight",
        "layer1.0.last.weight",
        "layer1.1.conv1.weight",
        "layer1.1.last.weight",
        "layer1.unit1.conv1.weight",
        "layer1.unit1.last.weight",
        "stage1.0.conv1.weight",
        "stage1.0.last.weight",
        "stage1.unit1.conv1.weight",
        "stage1.unit1.last.weight",
    ];
    assert_eq!(weights(&graph), names);
}

#[test]
fn blocks_do_not_see_their_caller() {
    let text = "const width = 4
                block unit(x, depth = width * 2) { y = conv(x, depth, 1) return conv(y, width, 1) }
                net A { input x: [3, 8, 8] y = unit(x) output z = y |> unit(depth: 5) }";
    let shapes: Vec<Vec<usize>> = graph(text).params.iter().map(|p| p.shape.clone()).filter(|s| s.len() > 1).collect();
    assert_eq!(shapes, [[8, 3, 1, 1], [4, 8, 1, 1], [5, 4, 1, 1], [4, 5, 1, 1]]);
}

#[test]
fn shared_instances_make_their_weights_once() {
    let graph = graph(
        "block tower(x, dim) { return x |> conv(dim, 3) as c |> global_avg_pool |> flatten |> dense(dim) }
         net A {
             input a, b: [1, 8, 8]
             embed = shared tower(6) as embed
             head = shared dense(2)
             output y = head(embed(a)) + head(embed(b))
             output z = embed(b)
         }",
    );
    let names =
        ["embed.c.weight", "embed.c.bias", "embed.dense1.weight", "embed.dense1.bias", "dense1.weight", "dense1.bias"];
    assert_eq!(weights(&graph), names);
    let uses = graph.nodes.iter().filter(|n| matches!(&n.op, Op::Param(p) if p.id.0 == 0)).count();
    assert_eq!(uses, 3);
}

#[test]
fn shared_instances_nest() {
    let text = "block inner(x) { twice = shared conv(4, 3, pad: 1) return x |> twice |> relu |> twice }
                block outer(x) { part = shared inner as part return part(x) + part(tanh(x)) }
                net A {
                    input a, b: [4, 8, 8]
                    whole = shared outer as whole
                    output y = whole(a) * whole(b)
                }";
    assert_eq!(weights(&graph(text)), ["whole.part.conv1.weight", "whole.part.conv1.bias"]);
}

#[test]
fn blocks_take_shared_instances() {
    let text = "block both(a, b, tower) { return concat(tower(a), tower(b)) }
                net A { input a, b: [3, 8, 8] t = shared conv(4, 3) output y = both(a, b, t) }";
    assert_eq!(weights(&graph(text)), ["conv1.weight", "conv1.bias"]);
}

fn frozen(graph: &Graph) -> Vec<&str> {
    graph.params.iter().filter(|p| p.role == Role::Frozen).map(|p| p.name.as_str()).collect()
}

#[test]
fn freezing_takes_all_weights_behind_a_value() {
    let body = "a = x |> conv(4, 3) as first |> batch_norm as norm |> relu
                b = a |> conv(4, 3) as second
                freeze a
                output y = b |> flatten |> dense(2)";
    let graph = net("[3, 8, 8]", body);
    assert_eq!(frozen(&graph), ["first.weight", "first.bias", "norm.weight", "norm.bias"]);
    let roles: Vec<Role> = graph.params.iter().filter(|p| p.name.starts_with("norm.running")).map(|p| p.role).collect();
    assert_eq!(roles, [Role::Buffer, Role::Buffer]);
    let norms: Vec<bool> =
        graph.nodes.iter().filter_map(|n| if let Op::BatchNorm(b) = &n.op { Some(b.frozen) } else { None }).collect();
    assert_eq!(norms, [true], "a frozen batch_norm uses its running statistics");
}

#[test]
fn freezing_takes_names_and_instances() {
    let text = "block tower(x) { return x |> conv(4, 3) as conv1 |> conv(4, 3) as conv10 }
                net A {
                    input x: [3, 8, 8]
                    t = shared tower as t
                    u = shared tower as u
                    output y = t(x) + u(x)
                    freeze \"t.conv1\", u
                }";
    let graph = graph(text);
    let expected =
        ["t.conv1.weight", "t.conv1.bias", "u.conv1.weight", "u.conv1.bias", "u.conv10.weight", "u.conv10.bias"];
    assert_eq!(frozen(&graph), expected);
}

#[test]
fn weights_are_frozen_from_outside() {
    let text = "net A { input x: [3, 8, 8] output y = x |> conv(4, 3) as first |> conv(4, 3) as second }";
    let freezing = |name: &str| {
        let freeze = vec![name.to_owned()];
        let which = elaborate::Options { freeze, ..elaborate::Options::default() };
        let mut sources = SourceMap::default();
        let entry = sources.add("nets/main.net", text);
        let options = Options { elaborate: which, ..Options::default() };
        elaborate(sources, &Shelf(HashMap::new()), entry, &options).map(|(_, graph)| graph).map_err(|f| f.render(false))
    };
    assert_eq!(frozen(&freezing("first").expect("a layer")), ["first.weight", "first.bias"]);
    assert_eq!(frozen(&freezing("second.bias").expect("a weight")), ["second.bias"]);
    let why = freezing("third").expect_err("no such layer");
    assert!(why.contains("freeze:1:1") && why.contains("there are no weights here to freeze"), "{why}");
}

#[test]
fn losses_add_up_and_are_averaged() {
    let body = "y = x |> flatten |> dense(5) output y
                target label: class(5) target wanted: [5]
                loss cross_entropy(y, label)
                train { aux = y |> tanh loss 0.3 * mse(aux, wanted) + mse(y, wanted) / 2 }";
    let graph = net("[3, 8, 8]", body);
    let loss = graph.node(graph.loss.expect("a loss"));
    assert!(matches!(loss.op, Op::BatchMean(_)));
    assert!(!loss.ty.batched && loss.ty.shape.is_empty());
    assert!(matches!(graph.node(loss.inputs[0]).op, Op::AddN(_)));
}

#[test]
fn what_is_bound_in_train_stays_there() {
    let body = "y = x |> flatten |> dense(5)
                target wanted: [5]
                train { y = dropout(y, 0.5) loss mse(y, wanted) }
                output y";
    let graph = net("[3, 8, 8]", body);
    assert!(matches!(graph.node(output(&graph)).op, Op::Dense(_)), "the output is not the one with dropout");
}

#[test]
fn tensors_and_numbers_mix() {
    let graph = net("[2, 4, 4]", "output y = 1 - (2 * x + 0.5) / 4 - -x * x");
    let scales: Vec<(f64, f64)> = graph
        .nodes
        .iter()
        .filter_map(|n| if let Op::Affine(s) = &n.op { Some((s.factor, s.offset)) } else { None })
        .collect();
    assert_eq!(scales, [(2.0, 0.0), (1.0, 0.5), (0.25, 0.0), (-1.0, 1.0), (-1.0, 0.0)]);
}

#[test]
fn words_are_words_only_where_they_fit() {
    assert_eq!(shape("[2, 7, 7]", "output y = conv(x, 2, 3, pad: same, stride: 2)"), [2, 4, 4]);
    assert_eq!(shape("[2, 7, 7]", "same = 2 output y = conv(x, 2, 3, pad: same)"), [2, 9, 9], "a binding goes first");
}

#[test]
fn files_see_what_they_use() {
    let shelf = [
        ("nets/blocks/unit.net", "use \"../width.net\" block unit(x) { return conv(x, width, 3, pad: same) }"),
        ("nets/width.net", "const width = 4 const wide = width * 2"),
        (
            "nets/blocks/stage.net",
            "use \"unit.net\" use \"../width.net\" block stage(x) { return x |> unit |> unit |> conv(wide, 1) }",
        ),
    ];
    let text = "use \"blocks/stage.net\" use \"blocks/unit.net\"
                net A { input x: [3, 8, 8] output y = x |> stage as s |> unit }";
    let graph = try_graph(text, &shelf, &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        graph.params.iter().filter(|p| p.name.ends_with("weight")).map(|p| p.shape[0]).collect::<Vec<_>>(),
        [4, 4, 8, 4]
    );
    assert_eq!(weights(&graph)[0], "s.unit1.conv1.weight");
}

#[test]
fn parameters_are_set_from_outside() {
    let text = "net A(classes, widths = [4], act = \"relu\", deep = false, scale = 1.0) {
                    input x: [3, 8, 8]
                    for w in widths { x = conv(x, w, 1) }
                    if act == \"tanh\" { x = tanh(x) }
                    if deep { x = conv(x, 9, 1) as deep }
                    output y = x * scale |> flatten |> dense(classes)
                }";
    let set = [("classes", "7"), ("widths", "[5, 6]"), ("act", "\"tanh\""), ("deep", "true"), ("scale", "-0.5")];
    let graph = try_graph(text, &[], &set).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(graph.ty(output(&graph)).shape, [7]);
    assert_eq!(graph.params.len(), 8);
    assert!(try_graph(text, &[], &[]).expect_err("classes is needed").contains("--set classes=..."));
}

#[test]
fn the_net_is_chosen_by_name() {
    let text = "net A { input x: [1] output y = relu(x) } net B { input x: [2] output y = relu(x) }";
    assert_eq!(graph(text).name, "B", "the last one by default");
    let mut sources = SourceMap::default();
    let entry = sources.add("main.net", text);
    let options = elaborate::Options { net: Some("A".to_owned()), ..elaborate::Options::default() };
    let options = Options { elaborate: options, ..Options::default() };
    let (_, graph) = elaborate(sources, &Shelf(HashMap::new()), entry, &options).expect("it is right");
    assert_eq!(graph.name, "A");
}

#[test]
fn docs_and_places_are_kept() {
    let graph = graph(
        "/// A net.\nnet A {\n    /// The image.\n    input x: [1, 4, 4]\n    /// The map.\n    output y = conv(x, 2, 3)\n}",
    );
    assert_eq!(
        (graph.docs.join(""), graph.inputs[0].docs.join(""), graph.outputs[0].docs.join("")),
        ("A net.".into(), "The image.".into(), "The map.".into())
    );
    assert_eq!(graph.node(output(&graph)).layer, "conv1");
    assert!(graph.nodes.iter().all(|n| n.span.end > n.span.start));
}

/// What the weights of one layer are, in order: fans and places of a weight, `bias`, `other`.
fn kinds(shape: &str, layer: &str) -> Vec<String> {
    let show = |kind| match kind {
        ParamKind::Weight { fan_in, fan_out, places } => format!("{fan_in} {fan_out} {places}"),
        ParamKind::Bias => "bias".to_owned(),
        ParamKind::Other => "other".to_owned(),
    };
    net(shape, &format!("output y = x |> {layer}")).params.iter().map(|param| show(param.kind)).collect()
}

#[test]
fn operators_tell_what_their_weights_are() {
    const MAP: &str = "[8, 5, 5]";
    assert_eq!(kinds(MAP, "conv(6, 3)"), ["72 54 1", "bias"]);
    assert_eq!(kinds(MAP, "conv(12, 3, groups: 4)"), ["18 27 1", "bias"]);
    assert_eq!(kinds(MAP, "conv(8, 3, groups: 8, bias: false)"), ["9 9 1"]);
    assert_eq!(kinds(MAP, "conv_transpose(6, 2, stride: 2)"), ["32 24 1", "bias"]);
    assert_eq!(kinds(MAP, "conv_transpose(12, 2, groups: 4)"), ["8 12 1", "bias"]);
    assert_eq!(kinds(MAP, "local_conv(4, 3)"), ["72 36 9", "bias"]);
    assert_eq!(kinds(MAP, "convolutionalize(10, 4)"), ["128 160 1", "bias"]);
    assert_eq!(kinds("[7]", "dense(3)"), ["7 3 1", "bias"]);
    assert_eq!(kinds(MAP, "layer_norm(over: all)"), ["other"; 2]);
    assert_eq!(kinds(MAP, "batch_norm"), ["other"; 4]);
    assert_eq!(kinds(MAP, "prelu"), ["other"]);
    assert_eq!(kinds(MAP, "add(weight([8, 5, 5], init: 0.5))"), ["other"]);
}

#[test]
fn the_first_layer_says_what_shared_weights_are() {
    let tied = "see = shared conv(4, 3) seen = x |> see output y = seen |> conv_transpose(8, 3, weight: see)";
    let kinds: Vec<ParamKind> = net("[8, 5, 5]", tied).params.iter().map(|param| param.kind).collect();
    assert_eq!(kinds, [ParamKind::Weight { fan_in: 72, fan_out: 36, places: 1 }, ParamKind::Bias, ParamKind::Bias]);
}
