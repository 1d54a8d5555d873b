//! A network built with some choices, and how long its convolutions take.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use cnnc_runtime::job::{self, Job};
use serde::Deserialize;

use super::super::arguments::{NetOptions, Tune};
use super::super::cache::{self, Build};
use super::super::jobs;
use super::super::spec::Named;
use super::Failed;
use crate::emit::Planned;
use crate::graph::ValueId;
use crate::ops::Op;
use crate::tuning::{Choices, Mode, Tuning, Workload};

/// What is the same for all variants of a network.
#[derive(Debug)]
pub struct Rig<'a> {
    /// The spec.
    pub named: &'a Named,
    /// What is asked for.
    pub arguments: &'a Tune,
    /// Which graph is tuned.
    pub mode: Mode,
}

/// A network with some choices.
#[derive(Debug)]
pub struct Variant {
    program: PathBuf,
    steps: Vec<job::Step>,
    lower_bound: usize,
    profiled: bool,
    /// The convolution that each step is a part of.
    workloads: Vec<Option<Workload>>,
    /// Layers by workload.
    pub layers: BTreeMap<Workload, Vec<String>>,
}

/// One measurement.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Milliseconds of a pass.
    pub median_ms: f64,
    /// The instruction set.
    pub isa: String,
    /// Threads.
    pub threads: usize,
    layers: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    median_us: f64,
}

impl Rig<'_> {
    /// Builds the network with these choices, `profiled` for times of its steps.
    pub fn build(&self, choices: &Choices, profiled: bool) -> Result<Variant, Failed> {
        let tuning = Tuning::for_mode(self.mode, choices.clone());
        let net = NetOptions { which: self.arguments.which.clone(), tuning: Some(tuning), ..NetOptions::default() };
        let build = Build { infer_only: !self.arguments.train, gradients: false, profile: profiled, quiet: true };
        let compiled = self.named.compile(&net, build.infer_only, false)?;
        let planned = jobs::planned(&compiled, self.arguments.train)?;
        Ok(Variant {
            program: cache::program(self.named, &compiled, &net, build)?,
            steps: jobs::steps(planned),
            lower_bound: planned.plan.sizes.arena_lower_bound,
            profiled,
            workloads: workloads(planned),
            layers: layers(planned),
        })
    }

    /// Measures a variant once.
    pub fn measure(&self, variant: &Variant) -> Result<Report, Failed> {
        let job = Job::Bench(job::Bench {
            machine: jobs::machine(&self.arguments.machine),
            weights: None,
            train: self.arguments.train,
            batch: self.arguments.batch,
            seconds: self.arguments.seconds,
            layers: variant.profiled,
            json: true,
            lower_bound: variant.lower_bound,
            steps: variant.steps.clone(),
        });
        let said = jobs::execute(&variant.program, &job, Stdio::piped())?;
        serde_json::from_slice(&said).map_err(|e| Failed::machine(format!("the program's report is damaged: {e}")))
    }
}

impl Variant {
    /// Microseconds by workload: all its layers, with the steps that an algorithm needs beside the convolution.
    pub fn times(&self, report: &Report) -> BTreeMap<Workload, f64> {
        let mut times = BTreeMap::new();
        for (workload, step) in self.workloads.iter().zip(&report.layers) {
            if let Some(workload) = workload {
                *times.entry(workload.clone()).or_insert(0.0) += step.median_us;
            }
        }
        times
    }
}

/// The convolution that each step of a pass is, or that it packs weights or transforms the input for.
fn workloads(planned: &Planned) -> Vec<Option<Workload>> {
    let graph = &planned.graph;
    let mut parts: BTreeMap<ValueId, Workload> = BTreeMap::new();
    for value in graph.values() {
        let Some(workload) = Workload::of(graph, value) else { continue };
        for operand in &graph.node(value).inputs {
            if matches!(graph.node(*operand).op, Op::Pack(_) | Op::WinogradTiles(_)) {
                parts.insert(*operand, workload.clone());
            }
        }
        parts.insert(value, workload);
    }
    planned.plan.run.iter().map(|step| parts.get(&step.value).cloned()).collect()
}

fn layers(planned: &Planned) -> BTreeMap<Workload, Vec<String>> {
    let graph = &planned.graph;
    let mut layers: BTreeMap<Workload, Vec<String>> = BTreeMap::new();
    for value in graph.values() {
        if let Some(workload) = Workload::of(graph, value) {
            layers.entry(workload).or_default().push(graph.node(value).layer.clone());
        }
    }
    layers
}
