//! What the compiler makes of the networks that ship, so that a change of the compiler shows what it does to each: all of them in
//! one table of counts and digests, the steps of some, and the code of some.

#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cnnc::compile::{Compiled, Options, compile};
use cnnc::diagnostics::SourceMap;
use cnnc::elaborate;
use cnnc::emit::{CrateOptions, Planned, Runtime};
use cnnc::graph::{Graph, Init};
use cnnc::loader::{Files, Network, networks};
use cnnc::ops::Op;
use cnnc::plan::{Place, Root, Step};

/// Networks of which every step of deployment is shown: residual, branches, depthwise, a detector, one axis, three axes.
const SHOWN: [&str; 6] = ["resnet18", "googlenet", "mobilenet_v2", "tiny_yolo_v3", "heartbeat", "c3d"];

/// Networks of which the code of deployment is kept: residual, detector, pairs, one axis, three axes. The sixth is LeNet-5 with
/// its training, in `tests/tests/three_ways.rs`.
const WRITTEN: [&str; 5] = ["resnet20", "tiny_yolo_v3", "siamese", "heartbeat", "c3d"];

fn compiled(network: &Network) -> Compiled {
    with_options(network, Options::default())
}

fn with_options(network: &Network, options: Options) -> Compiled {
    let mut sources = SourceMap::default();
    let entry = sources.add(&network.path, std::fs::read_to_string(&network.path).expect("a spec"));
    let elaborate = elaborate::Options { net: network.net.clone(), ..Default::default() };
    let options = Options { elaborate, ..options };
    compile(sources, &Files, entry, &options).unwrap_or_else(|failure| panic!("{}", failure.render(false)))
}

fn all() -> Vec<Network> {
    networks(&folder())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs")
}

/// `23 tile_conv, 2 pool`
fn counted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

/// What convolutions were fused with, and how they are computed.
fn convolutions(planned: &Planned) -> impl Iterator<Item = &str> {
    planned.graph.nodes.iter().flat_map(|node| {
        let (algorithm, activation, shortcut, pool) = match &node.op {
            Op::TileConv(conv) => {
                (conv.algorithm.name(), conv.activation.is_some(), conv.shortcut, conv.pool.is_some())
            }
            Op::Conv(conv) => ("plain", conv.activation.is_some(), false, false),
            _ => ("", false, false, false),
        };
        let fused = [(activation, "with activation"), (shortcut, "with shortcut"), (pool, "with pool")];
        std::iter::once(algorithm)
            .chain(fused.into_iter().filter(|(there, _)| *there).map(|(_, what)| what))
            .filter(|word| !word.is_empty())
    })
}

fn table_of(out: &mut String, half: &str, planned: &Planned) {
    let (plan, sizes) = (&planned.plan, planned.plan.sizes);
    let operator = |step: &Step| planned.graph.node(step.value).op.name();
    let mut kernels: Vec<_> = plan.prepare.iter().chain(&plan.run).map(|step| Rc::as_ptr(&step.kernel)).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let in_place = plan.run.iter().filter(|step| step.in_place).count();
    let _ = writeln!(
        out,
        "  {half}: {} steps ({in_place} in place), {} to prepare, {} kernels; floats: arena {} (no less than {}), fixed {}, \
         prepared {}, scratch {}, partials {}",
        plan.run.len(),
        plan.prepare.len(),
        kernels.len(),
        sizes.arena,
        sizes.arena_lower_bound,
        sizes.fixed,
        sizes.prepared,
        sizes.scratch,
        sizes.partials,
    );
    let _ = writeln!(out, "    run: {}", counted(plan.run.iter().map(operator)));
    if !plan.prepare.is_empty() {
        let _ = writeln!(out, "    prepare: {}", counted(plan.prepare.iter().map(operator)));
    }
    let _ = writeln!(out, "    convolutions: {}", counted(convolutions(planned)));
    // Code as well as places, so that another tile or division of work shows, which no count does.
    let code = |step: &Step| format!("{:?} {} {}\n", step.kernel.split, step.kernel.scratch, step.kernel.body);
    let code: String = plan.prepare.iter().chain(&plan.run).map(code).collect();
    let _ = writeln!(out, "    structure: {:016x}", digest(&(steps(planned) + &code)));
}

/// FNV-1a.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// What starts by its fan is the weight of a layer or its bias, and the names tell which.
fn check_kinds(graph: &Graph) {
    for param in &graph.params {
        let by_name = match param.init {
            Init::Uniform { .. } => ["Bias", "Weight"][usize::from(param.name.ends_with("weight"))],
            Init::Constant(_) => "Other",
        };
        assert!(format!("{:?}", param.kind).starts_with(by_name), "{}: {} is {:?}", graph.name, param.name, param.kind);
    }
}

#[test]
fn all_in_figures() {
    let mut table = String::new();
    let zoo = networks(&folder().join("zoo")).into_iter().map(|n| Network { name: format!("zoo/{}", n.name), ..n });
    for network in all().into_iter().chain(zoo) {
        let compiled = compiled(&network);
        check_kinds(&compiled.graph);
        let _ = writeln!(table, "{}", network.name);
        table_of(&mut table, "inference", &compiled.inference);
        if let Some(training) = &compiled.training {
            table_of(&mut table, "training", training);
        }
    }
    insta::assert_snapshot!("all_in_figures", table);
}

/// `arena 802816..1605632`
fn shown(planned: &Planned, place: &Place) -> String {
    match place.root {
        Root::Buffer(index) => {
            let buffer = &planned.plan.buffers[index];
            let area = format!("{:?}", buffer.area).to_lowercase();
            format!("{area} {}..{}", buffer.offset + place.part.start, buffer.offset + place.part.end)
        }
        other => format!("{other:?}"),
    }
}

/// A line for each step: the layer, the kernel, and where its value is.
fn steps(planned: &Planned) -> String {
    let line = |step: &Step| {
        let layer = &planned.graph.node(step.value).layer;
        let place = shown(planned, &planned.plan.places[step.value.0 as usize]);
        format!("{layer}: {} -> {place}{}\n", step.kernel.name, if step.in_place { ", in place" } else { "" })
    };
    let lines = |steps: &[Step]| steps.iter().map(line).collect::<String>();
    format!("prepare\n{}\nrun\n{}", lines(&planned.plan.prepare), lines(&planned.plan.run))
}

#[test]
fn some_step_by_step() {
    for network in all().iter().filter(|network| SHOWN.contains(&network.name.as_str())) {
        insta::assert_snapshot!(format!("steps_of_{}", network.name), steps(&compiled(network).inference));
    }
}

#[test]
fn some_as_code() {
    let unsaid = CrateOptions {
        spec: String::new(),
        options: String::new(),
        digest: 0,
        runtime: Runtime::Version,
        features: Vec::new(),
    };
    for network in all().iter().filter(|network| WRITTEN.contains(&network.name.as_str())) {
        let deployed = with_options(network, Options { infer_only: true, ..Options::default() });
        let files = deployed.emit().files(&unsaid);
        let code = files.iter().filter(|file| ["src/inference.rs", "src/kernels.rs"].contains(&file.path));
        let code: Vec<&str> = code.map(|file| file.text.as_str()).collect();
        insta::assert_snapshot!(format!("code_of_{}", network.name), code.join("\n"));
    }
}
