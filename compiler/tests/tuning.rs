//! Plan files: what they say is what is lowered, and mistakes in them are explained. Each `plans/NAME.plan.yaml` is wrong and
//! stands beside the snapshot of its errors.

#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::collections::BTreeMap;
use std::path::Path;

use cnnc::compile::{Compiled, Options, compile};
use cnnc::diagnostics::SourceMap;
use cnnc::elaborate::Loader;
use cnnc::graph::Graph;
use cnnc::ops::tile_conv::Algorithm;
use cnnc::optimize::candidates;
use cnnc::tuning::{Choice, Entry, Mode, PlanFile, Section, Workload, read};

const NET: &str = "\
net Small {
    input image: [3, 16, 16]
    a = image |> conv(32, 3, pad: 1) |> relu |> conv(32, 3, pad: 1) |> relu
    output y = a |> conv(64, 1, stride: 2)
    target t: [64, 8, 8]
    loss mse(y, t)
}
";

/// A folder with a plan file or none.
struct Shelf(Option<String>);

impl Loader for Shelf {
    fn read(&self, _path: &Path) -> Result<String, String> {
        self.0.clone().ok_or_else(|| "there is no such file".to_owned())
    }

    fn siblings(&self, _path: &Path) -> Vec<String> {
        self.0.iter().map(|_| "small.plan.yaml".to_owned()).collect()
    }
}

/// The net with a plan file, or what is said of it.
fn with_plan(plan: Option<&str>, exact: bool) -> Result<Compiled, String> {
    let mut sources = SourceMap::default();
    let entry = sources.add("nets/small.net", NET);
    let options = Options { exact, ..Options::default() };
    compile(sources, &Shelf(plan.map(str::to_owned)), entry, &options).map_err(|failure| failure.render(false))
}

fn compiled(plan: Option<&str>, exact: bool) -> Compiled {
    with_plan(plan, exact).unwrap_or_else(|said| panic!("{said}"))
}

/// What is chosen in a graph.
fn chosen(graph: &Graph) -> BTreeMap<String, Choice> {
    let choice = |value| {
        let cnnc::ops::Op::TileConv(conv) = &graph.node(value).op else { return None };
        let choice = Choice::from(conv);
        Some((Workload::of(graph, value)?.to_string(), choice))
    };
    graph.values().filter_map(choice).collect()
}

/// A plan that has every convolution computed as its last candidate says.
fn contrary(compiled: &Compiled) -> PlanFile {
    let section = |graph: &Graph, mode| {
        let workloads = graph.values().filter_map(|value| Workload::of(graph, value));
        let entry = |workload: Workload| {
            let Choice { algorithm, strips, images, planes } =
                *candidates(&workload, mode, false).last().expect("the model's own");
            (workload, Entry { algorithm, strips, images, planes, us: 12.5, model_us: 14.0 })
        };
        Some(Section {
            cpu: "A: processor, \"quoted\"".to_owned(),
            isa: "avx512".to_owned(),
            threads: 2,
            batch: 1,
            model_ms: 1.25,
            ms: 1.0,
            convolutions: workloads.map(entry).collect(),
        })
    };
    let training = compiled.training.as_ref().expect("it trains");
    PlanFile::default()
        .with(Mode::Inference, section(&compiled.inference.graph, Mode::Inference))
        .with(Mode::Training, section(&training.graph, Mode::Training))
}

#[test]
fn plans_are_read_as_they_are_written() {
    let plan = contrary(&compiled(None, false));
    let mut sources = SourceMap::default();
    let file = sources.add("small.plan.yaml", plan.text());
    assert_eq!(read(&sources, file), Ok(plan.clone()), "{}", plan.text());
    let empty = Section { convolutions: BTreeMap::new(), ..plan.inference.expect("a section") };
    let plan = PlanFile::default().with(Mode::Training, Some(empty));
    let file = sources.add("empty.plan.yaml", plan.text());
    assert_eq!(read(&sources, file), Ok(plan));
}

#[test]
fn a_plan_decides_what_is_lowered() {
    let model = compiled(None, false);
    let plan = contrary(&model);
    let tuned = compiled(Some(&plan.text()), false);
    assert_eq!(tuned.note(&Default::default()), None);
    let (model, inference) = (chosen(&model.inference.graph), chosen(&tuned.inference.graph));
    assert!(model.len() == 3 && model.keys().eq(inference.keys()), "{model:?} and {inference:?}");
    assert!(model.iter().all(|(workload, choice)| inference[workload] != *choice), "{model:?} and {inference:?}");
    let training = &tuned.training.as_ref().expect("it trains").graph;
    for (graph, section) in [(&tuned.inference.graph, plan.inference), (training, plan.training)] {
        let said = section.expect("a section").convolutions;
        let said: BTreeMap<String, Choice> = said.iter().map(|(w, e)| (w.to_string(), e.choice())).collect();
        assert_eq!(chosen(graph), said);
    }
    let text = cnnc::dump::dump(&tuned.graph, "lower", false).expect("the pass");
    let model = cnnc::dump::dump(&compiled(None, false).graph, "lower", false).expect("the pass");
    assert!(text != model && text.contains("planes"), "dumps show what the plan says");
}

#[test]
fn exact_stands_above_plans() {
    let workload = "3x3 pad 1, 32x16x16 to 32x16x16";
    let entry = "{ algorithm: winograd_strips, strips: 2, planes: 1, us: 1, model_us: 2 }";
    let plan = format!(
        "format: 2\ncompiler: x\ninference:\n  {{ cpu: x, isa: x, threads: 1, batch: 1, model_ms: 1, ms: 1, \
         convolutions: {{ \"{workload}\": {entry} }} }}\n"
    );
    let choice = |exact| chosen(&compiled(Some(&plan), exact).inference.graph)[workload];
    assert_eq!(choice(false), Choice { algorithm: Algorithm::WinogradStrips, strips: 2, images: 1, planes: 1 });
    assert_eq!(choice(true).algorithm, Algorithm::Direct);
}

#[test]
fn plans_of_other_layers_are_noted() {
    let plan = contrary(&compiled(None, false)).text().replace("32x16x16 to 32x16x16", "48x16x16 to 48x16x16");
    let note = compiled(Some(&plan), false).note(&Default::default()).expect("a note");
    assert_eq!(
        note,
        "3 of 8 choices of `nets/small.plan.yaml` are for convolutions that this net does not have: `cnnc tune` measures again"
    );
}

#[test]
fn wrong_plans_are_explained() {
    insta::glob!("plans/*.plan.yaml", |path| {
        let text = std::fs::read_to_string(path).expect("a plan");
        let said = with_plan(Some(&text), false).err().unwrap_or_else(|| panic!("{} is not wrong", path.display()));
        let name = path.file_name().expect("a name").to_string_lossy().replace(".plan.yaml", "");
        let mut settings = insta::Settings::new();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_snapshot_path(path.parent().expect("a folder"));
        settings.bind(|| insta::assert_snapshot!(name, said));
    });
}

#[test]
fn descriptions_are_read_as_they_are_written() {
    for text in [
        "3x3 pad 1, 64x56x56 to 128x56x56",
        "gradient 1x7 stride 2x1 dilation 1x2 pad 0x3 groups 2, 64x56x57 to 128x28x57",
        "9 stride 4 pad 3+4 lanes 1, 2x4096 to 16x1024",
    ] {
        assert_eq!(text.parse::<Workload>().expect("a description").to_string(), text);
    }
    assert_eq!("3x3 pad 1x1, 1x2x2 to 1x2x2".parse(), "3x3 pad 1, 1x2x2 to 1x2x2".parse::<Workload>());
    for text in [
        "",
        ",",
        "3x3",
        "3x3, 64x56x56",
        "3x3, 64x56 to 64x56",
        "3x3x3, 1x5x5x5 to 1x3x3x3",
        "3x3 pad, 1x2x2 to 1x2x2",
        "3x3 pad 1x1x1, 1x2x2 to 1x2x2",
        "3x3 stride 0, 1x2x2 to 1x2x2",
        "3x3 lanes 8, 1x2x2 to 1x2x2",
        "3x3 pads 1, 1x2x2 to 1x2x2",
        "3x3, 1x2x0 to 1x2x2",
        "3x3, 1x2x99999999999 to 1x2x2",
    ] {
        assert!(text.parse::<Workload>().is_err(), "{text}");
    }
}
