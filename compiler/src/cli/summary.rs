//! `cnnc summary`.

use serde_json::json;

use crate::budget::in_units as bytes;
use crate::compile::Compiled;
use crate::emit::grouped;
use crate::graph::{Graph, Kind, Param, Role, Type, ValueId, show_shape};
use crate::ops::Op;
use crate::plan::{Sizes, is_source};

/// A network in figures.
#[derive(Debug)]
pub struct Summary<'a> {
    compiled: &'a Compiled,
    rows: Vec<Row>,
    totals: Counts,
    /// Those of the parameters that outputs do not need, such as the weights of auxiliary heads.
    training_only: usize,
}

/// A layer.
#[derive(Debug)]
struct Row {
    layer: String,
    operator: &'static str,
    shape: Vec<usize>,
    counts: Counts,
    bytes: usize,
}

/// Percent of the arena above its lower bound.
pub fn above(sizes: &Sizes) -> f64 {
    100.0 * (sizes.arena as f64 / sizes.arena_lower_bound.max(1) as f64 - 1.0)
}

/// What a value, or several, take to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Numbers in weights.
    pub params: usize,
    /// Multiply-adds, of one image.
    pub macs: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.params += other.params;
        self.macs += other.macs;
    }
}

/// What each value takes. A shared weight counts where it is first used; running statistics are not parameters.
pub fn counts(graph: &Graph, used: &[bool]) -> Vec<Counts> {
    let mut counted = vec![false; graph.params.len()];
    let mut count = |value: ValueId| {
        let node = graph.node(value);
        let types: Vec<_> = node.inputs.iter().map(|v| graph.ty(*v)).collect();
        let mut params = 0;
        for operand in &node.inputs {
            if let Op::Param(param) = &graph.node(*operand).op {
                let info = graph.param(param.id);
                if info.role != Role::Buffer && !std::mem::replace(&mut counted[param.id.0 as usize], true) {
                    params += info.len();
                }
            }
        }
        Counts { params, macs: node.op.macs(&types, &node.ty) }
    };
    graph.values().map(|v| if used[v.0 as usize] { count(v) } else { Counts::default() }).collect()
}

/// All parameters, and the multiply-adds of deployment.
pub fn totals(graph: &Graph) -> Counts {
    let params = graph.params.iter().filter(|p| p.role != Role::Buffer).map(Param::len).sum();
    let macs = counts(graph, &used_by_outputs(graph)).iter().map(|c| c.macs).sum();
    Counts { params, macs }
}

/// Which of the weights and buffers outputs need; losses alone need the others.
fn deployed(graph: &Graph) -> Vec<bool> {
    let used = used_by_outputs(graph);
    let mut deployed = vec![false; graph.params.len()];
    for value in graph.values().filter(|v| used[v.0 as usize]) {
        if let Op::Param(param) = &graph.node(value).op {
            deployed[param.id.0 as usize] = true;
        }
    }
    deployed
}

/// Parameters that are needed by losses, not by outputs.
fn training_only(graph: &Graph) -> usize {
    let left = graph.params.iter().zip(deployed(graph)).filter(|(p, deployed)| p.role != Role::Buffer && !deployed);
    left.map(|(param, _)| param.len()).sum()
}

/// Rows of cells under one another, the first `left` columns to the left, with a line below the first row.
fn aligned<const N: usize>(rows: &[[String; N]], left: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| match column < left {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            })
            .collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
        if index == 0 {
            out += &"─".repeat(widths.iter().sum::<usize>() + 2 * (N - 1));
            out.push('\n');
        }
    }
    out
}

fn used_by_outputs(graph: &Graph) -> Vec<bool> {
    graph.needed_for(graph.outputs.iter().map(|o| o.value))
}

impl<'a> Summary<'a> {
    /// Counts what deployment computes, layer by layer as written.
    pub fn of(compiled: &'a Compiled) -> Self {
        let graph = &compiled.graph;
        let used = used_by_outputs(graph);
        let counts = counts(graph, &used);
        let rows = graph
            .values()
            .filter(|v| used[v.0 as usize] && !is_source(&graph.node(*v).op))
            .map(|value| {
                let node = graph.node(value);
                Row {
                    layer: node.layer.clone(),
                    operator: node.op.name(),
                    shape: node.ty.shape.clone(),
                    counts: counts[value.0 as usize],
                    bytes: node.ty.len() * 4,
                }
            })
            .collect();
        Self { compiled, rows, totals: totals(graph), training_only: training_only(graph) }
    }

    /// For people.
    pub fn table(&self) -> String {
        let head = ["layer", "operator", "output", "parameters", "MACs", "activation"].map(str::to_owned);
        let row = |r: &Row| {
            let number = |n: u64| if n == 0 { String::new() } else { grouped(n) };
            [
                r.layer.clone(),
                r.operator.to_owned(),
                show_shape(&r.shape),
                number(r.counts.params as u64),
                number(r.counts.macs),
                bytes(r.bytes),
            ]
        };
        let rows: Vec<[String; 6]> = std::iter::once(head).chain(self.rows.iter().map(row)).collect();
        let mut out = format!("{}\n\n{}", self.compiled.graph.name, aligned(&rows, 3));
        let inputs: Vec<String> = self
            .compiled
            .graph
            .inputs
            .iter()
            .map(|i| format!("{} {}", i.name, self.compiled.graph.ty(i.value)))
            .collect();
        let deployed = self.totals.params - self.training_only;
        let more = match self.training_only {
            0 => String::new(),
            count => format!(", and {} for training only", grouped(count as u64)),
        };
        out += &format!(
            "\ninputs      {}\nparameters  {} ({}){more}\nMACs        {}\n",
            inputs.join(", "),
            grouped(deployed as u64),
            bytes(deployed * 4),
            grouped(self.totals.macs)
        );
        out += &self.memory_line("inference", &self.compiled.inference.plan.sizes);
        if let Some(training) = &self.compiled.training {
            out += &self.memory_line("training", &training.plan.sizes);
        }
        out
    }

    fn memory_line(&self, what: &str, sizes: &Sizes) -> String {
        format!(
            "{what:<10}  arena {} per image, lower bound {} (+{:.1} %)\n",
            bytes(sizes.arena * 4),
            bytes(sizes.arena_lower_bound * 4),
            above(sizes)
        )
    }

    /// All weights and buffers by name, as files of weights have them.
    pub fn weights(&self) -> String {
        let graph = &self.compiled.graph;
        let head = ["weight", "shape", "role", "numbers"].map(str::to_owned);
        let row = |(param, deployed): (&Param, bool)| {
            let role = match param.role {
                Role::Buffer => "buffer",
                Role::Frozen => "frozen",
                Role::Trained if deployed => "trained",
                Role::Trained => "for training only",
            };
            [param.name.clone(), show_shape(&param.shape), role.to_owned(), grouped(param.len() as u64)]
        };
        let rows: Vec<[String; 4]> =
            std::iter::once(head).chain(graph.params.iter().zip(deployed(graph)).map(row)).collect();
        let buffers: usize = graph.params.iter().filter(|p| p.role == Role::Buffer).map(Param::len).sum();
        let more = match buffers {
            0 => String::new(),
            count => format!(", and {} numbers in buffers", grouped(count as u64)),
        };
        format!("{}\n\n{}\nparameters  {}{more}\n", graph.name, aligned(&rows, 3), grouped(self.totals.params as u64))
    }

    /// For programs.
    pub fn json(&self) -> String {
        let graph = &self.compiled.graph;
        let memory =
            |sizes: &Sizes| json!({"arena_bytes": sizes.arena * 4, "lower_bound_bytes": sizes.arena_lower_bound * 4});
        let named = |all: &[crate::graph::Named]| -> Vec<serde_json::Value> {
            let value = |n: &crate::graph::Named| match graph.ty(n.value) {
                Type { kind: Kind::Float, shape, .. } => json!({"name": n.name, "shape": shape}),
                Type { kind: Kind::Class(classes), shape, .. } => {
                    json!({"name": n.name, "shape": shape, "classes": classes})
                }
            };
            all.iter().map(value).collect()
        };
        let layers: Vec<_> = self
            .rows
            .iter()
            .map(|r| {
                json!({"layer": r.layer, "operator": r.operator, "shape": r.shape, "params": r.counts.params, "macs": r.counts.macs, "activation_bytes": r.bytes})
            })
            .collect();
        let parameters: Vec<_> = graph
            .params
            .iter()
            .map(|p| json!({"name": p.name, "shape": p.shape, "numbers": p.len(), "role": p.role}))
            .collect();
        let value = json!({
            "net": graph.name,
            "inputs": named(&graph.inputs),
            "targets": named(&graph.targets),
            "outputs": named(&graph.outputs),
            "parameters": parameters,
            "layers": layers,
            "totals": {"params": self.totals.params, "training_only_params": self.training_only, "macs": self.totals.macs},
            "params": self.totals.params,
            "macs": self.totals.macs,
            "inference": memory(&self.compiled.inference.plan.sizes),
            "training": self.compiled.training.as_ref().map(|t| memory(&t.plan.sizes)),
        });
        serde_json::to_string_pretty(&value).expect("numbers and strings serialize")
    }
}
