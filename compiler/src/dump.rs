//! Looking at the graph between passes.

use serde::Serialize;

use crate::diagnostics::nearest;
use crate::graph::{Graph, ValueId};
use crate::optimize::{self, INFERENCE, Pass, TRAINING, TRAINING_WITH_INPUTS};
use crate::plan::{Area, Plan, Root, plan};

/// Points of the pipeline that can be looked at: `elaborate`, `inference/PASS`, `training/PASS`, and a plan at the end of
/// each half.
pub fn points() -> Vec<String> {
    let half = |name: &'static str, passes: &'static [Pass]| {
        let passes =
            passes.iter().map(move |p| if p.name == name { name.to_owned() } else { format!("{name}/{}", p.name) });
        passes.chain([format!("{name}/plan")])
    };
    std::iter::once("elaborate".to_owned())
        .chain(half("inference", INFERENCE))
        .chain(half("training", TRAINING))
        .collect()
}

/// The graph (or plan) at a point, as YAML. A bare pass name stands for the inference half if that has the pass, else for the training
/// half.
///
/// # Errors
/// There is no point of that name: lists those that there are.
pub fn dump(graph: &Graph, after: &str, input_gradients: bool) -> Result<String, String> {
    if after == "elaborate" {
        return Ok(graph_yaml(graph, "elaborate", true));
    }
    let point = resolve(after)?;
    let (half, pass) = point.split_once('/').unwrap_or((&point, &point));
    let passes = match half {
        "inference" => INFERENCE,
        _ if graph.loss.is_none() => return Err("the net has no `loss`, so there is no training graph".to_owned()),
        _ if input_gradients => TRAINING_WITH_INPUTS,
        _ => TRAINING,
    };
    let (mut text, mut before) = (String::new(), body(graph));
    let end = optimize::run(passes, graph.clone(), |p, graph| {
        let now = body(graph);
        if p.name == pass {
            text = graph_yaml(graph, &point, now != before);
        }
        before = now;
    });
    if pass == "plan" {
        let plan = plan(&end, half == "inference");
        // As compiled with all that the net has: where there is training, deployment has no front.
        let front = plan.front.filter(|_| graph.loss.is_none());
        text = plan_yaml(&end, &Plan { front, ..plan }, &point);
    }
    Ok(text)
}

fn resolve(after: &str) -> Result<String, String> {
    let points = points();
    let named = |p: &&String| **p == after || p.rsplit('/').next() == Some(after);
    points.iter().find(named).cloned().ok_or_else(|| {
        let hint = nearest(after, points.iter().map(|p| p.rsplit('/').next().unwrap_or(p)))
            .map_or(String::new(), |n| format!("\nhelp: did you mean `{n}`?"));
        format!("there is no pass `{after}`\nfits: {}{hint}", points.join(", "))
    })
}

#[derive(Serialize)]
struct Line {
    value: String,
    ty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    op: String,
}

fn show(value: ValueId) -> String {
    format!("%{}", value.0)
}

fn lines(graph: &Graph) -> Vec<Line> {
    let line = |value: ValueId| {
        let node = graph.node(value);
        let operands: Vec<String> = node.inputs.iter().map(|v| show(*v)).collect();
        let batch = if node.ty.batched { "batch × " } else { "" };
        Line {
            value: show(value),
            ty: format!("{batch}{}", node.ty),
            layer: (!node.layer.is_empty()).then(|| node.layer.clone()),
            op: format!("{}({}) {:?}", node.op.name(), operands.join(", "), node.op),
        }
    };
    graph.values().map(line).collect()
}

fn body(graph: &Graph) -> String {
    serde_yaml::to_string(&lines(graph)).expect("strings serialize")
}

fn graph_yaml(graph: &Graph, point: &str, changed: bool) -> String {
    if !changed {
        return format!("# {point}: unchanged\n");
    }
    #[derive(Serialize)]
    struct Dump {
        net: String,
        after: String,
        outputs: Vec<(String, String)>,
        loss: Option<String>,
        gradients: Vec<(String, String)>,
        nodes: Vec<Line>,
    }
    let dump = Dump {
        net: graph.name.clone(),
        after: point.to_owned(),
        outputs: graph.outputs.iter().map(|o| (o.name.clone(), show(o.value))).collect(),
        loss: graph.loss.map(show),
        gradients: graph.gradients.iter().map(|(p, v)| (graph.param(*p).name.clone(), show(*v))).collect(),
        nodes: lines(graph),
    };
    serde_yaml::to_string(&dump).expect("strings serialize")
}

fn plan_yaml(graph: &Graph, plan: &Plan, point: &str) -> String {
    #[derive(Serialize)]
    struct Step {
        value: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        layer: String,
        kernel: String,
        split: String,
        place: String,
        in_place: bool,
    }
    #[derive(Serialize)]
    struct Dump {
        net: String,
        after: String,
        floats: crate::plan::Sizes,
        #[serde(skip_serializing_if = "Option::is_none")]
        front: Option<crate::plan::Front>,
        prepare: Vec<Step>,
        run: Vec<Step>,
    }
    let step = |step: &crate::plan::Step| {
        let place = &plan.places[step.value.0 as usize];
        let root = match place.root {
            Root::Buffer(index) => {
                let buffer = &plan.buffers[index];
                let area = match buffer.area {
                    Area::Arena => "arena",
                    Area::Fixed => "fixed",
                    Area::Prepared => "prepared",
                };
                format!("{area} {}..{}", buffer.offset, buffer.offset + buffer.len)
            }
            other => format!("{other:?}"),
        };
        Step {
            value: show(step.value),
            layer: graph.node(step.value).layer.clone(),
            kernel: step.kernel.name.clone(),
            split: format!("{:?}", step.kernel.split),
            place: format!("{root}, part {:?}", place.part),
            in_place: step.in_place,
        }
    };
    let dump = Dump {
        net: graph.name.clone(),
        after: point.to_owned(),
        floats: plan.sizes,
        front: plan.front.clone(),
        prepare: plan.prepare.iter().map(step).collect(),
        run: plan.run.iter().map(step).collect(),
    };
    serde_yaml::to_string(&dump).expect("strings serialize")
}
