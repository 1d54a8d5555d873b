//! `cnnc bench`: how fast a network is, and what each of its steps is bound by.

use std::format;
use std::string::String;
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;

use serde::Serialize;

use super::{Failure, Harness, Keep};
use crate::job::{Bench, Step};
use crate::optimizer::{Rule, Sgd};
use crate::random::Random;
use crate::{Buffer, Memory, Network, Optimizer, TargetKind, Targets, weights};

/// Passes before anything is measured.
const WARM: usize = 3;
/// Passes that are measured at least and at most.
const PASSES: core::ops::Range<usize> = 5..100_000;
/// Floats of the probe of memory: no cache holds 256 MiB.
const READ: usize = 1 << 26;

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    network: &'a str,
    mode: &'static str,
    isa: &'static str,
    threads: usize,
    batch: usize,
    passes: usize,
    median_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// Half the distance between the quartiles, as a share of the median.
    spread: f64,
    images_per_s: f64,
    macs: u64,
    gflops: f64,
    peak_gflops: f64,
    share_of_peak: f64,
    bandwidth_gb_s: f64,
    arena_bytes: usize,
    /// The least for all images at once; the arena is smaller where threads do steps for images of their own.
    lower_bound_bytes: usize,
    weight_bytes: usize,
    peak_rss_bytes: Option<u64>,
    cold_start_ms: f64,
    layers: Vec<Layer<'a>>,
}

/// A step.
#[derive(Debug, Serialize)]
struct Layer<'a> {
    name: &'a str,
    op: &'a str,
    kernel: &'a str,
    median_us: f64,
    share: f64,
    macs: u64,
    gflops: f64,
    share_of_peak: f64,
    bound: &'static str,
}

/// Random numbers for everything that a pass is given.
struct Given {
    inputs: Vec<Vec<f32>>,
    classes: Vec<Vec<u32>>,
    floats: Vec<Vec<f32>>,
}

impl Given {
    fn new(network: &dyn Network, batch: usize) -> Self {
        let (spec, mut random) = (network.spec(), Random::new(1));
        let mut numbers = |len: usize| (0..len).map(|_| random.uniform(&(-0.5..0.5))).collect::<Vec<f32>>();
        let inputs = spec.inputs.iter().map(|i| numbers(batch * i.image_len())).collect();
        let floats = spec.targets.iter().map(|t| numbers(batch * t.image_len())).collect();
        let class = |t: &crate::ValueSpec| match t.kind {
            TargetKind::Class(n) => (0..(batch * t.image_len()) as u32).map(|i| i % n as u32).collect(),
            TargetKind::Float => Vec::new(),
        };
        Self { inputs, floats, classes: spec.targets.iter().map(class).collect() }
    }

    fn inputs(&self) -> Vec<&[f32]> {
        self.inputs.iter().map(Vec::as_slice).collect()
    }

    fn targets(&self) -> Vec<Targets<'_>> {
        let both = self.classes.iter().zip(&self.floats);
        both.map(|(c, f)| if c.is_empty() { Targets::Floats(f) } else { Targets::Classes(c) }).collect()
    }
}

impl Harness<'_> {
    /// Measures.
    pub(super) fn bench(&mut self, job: &Bench) -> Result<(), Failure> {
        let mut network = self.network(&job.machine, job.weights.is_none().then_some(1), job.batch, Keep::default())?;
        if let Some(path) = &job.weights {
            weights::load(&mut *network, path)?;
        }
        let given = Given::new(&*network, job.batch);
        let rule = Rule::Sgd(Sgd { learning_rate: 1e-6, momentum: 0.9, ..Sgd::default() });
        let mut optimizer = job.train.then(|| Optimizer::new(rule, &*network));
        let (inputs, targets) = (given.inputs(), given.targets());
        let mut pass = |network: &mut dyn Network| -> Result<Duration, Failure> {
            let start = Instant::now();
            match &mut optimizer {
                None => network.infer(job.batch, &inputs)?,
                Some(optimizer) => {
                    optimizer.train_step(network, job.batch, &inputs, &targets)?;
                }
            }
            Ok(start.elapsed())
        };
        pass(&mut *network)?;
        let cold = self.start.elapsed();
        let memory = peak_rss();
        for _ in 1..WARM {
            pass(&mut *network)?;
        }
        let (mut times, mut steps) = (Vec::new(), vec![Vec::new(); job.steps.len()]);
        let end = Instant::now() + Duration::from_secs_f64(job.seconds);
        while times.len() < PASSES.start || (Instant::now() < end && times.len() < PASSES.end) {
            times.push(pass(&mut *network)?);
            for (times, time) in steps.iter_mut().zip(network.memory().profile.steps()) {
                times.push(time);
            }
        }
        let (peak, bandwidth) = probe(network_memory(&mut *network));
        let report = report(job, &*network, &mut times, &mut steps, Machine { peak, bandwidth, memory, cold });
        let text = if job.json {
            serde_json::to_string_pretty(&report).expect("numbers and texts") + "\n"
        } else {
            table(&report)
        };
        Ok(self.out.write_all(text.as_bytes())?)
    }
}

fn network_memory(network: &mut dyn Network) -> &mut Memory {
    network.params_and_memory().1
}

/// What was measured beside the network.
struct Machine {
    peak: f64,
    bandwidth: f64,
    memory: Option<u64>,
    cold: Duration,
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn report<'a>(
    job: &'a Bench,
    network: &dyn Network,
    times: &mut [Duration],
    steps: &'a mut [Vec<Duration>],
    machine: Machine,
) -> Report<'a> {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let middle = median(times);
    let quartile = |share: usize| ms(times[(times.len() - 1) * share / 4]);
    let macs: u64 = job.steps.iter().map(|s| s.macs).sum::<u64>() * job.batch as u64;
    let gflops = |macs: u64, time: Duration| 2e-9 * macs as f64 / time.as_secs_f64().max(1e-12);
    let layer = |(step, times): (&'a Step, &mut Vec<Duration>)| {
        let time = median(times);
        let rate = gflops(step.macs * job.batch as u64, time);
        let bytes = (step.bytes_per_image * job.batch + step.bytes_once) as f64;
        let ridge = machine.peak / machine.bandwidth;
        let intensity = 2.0 * (step.macs * job.batch as u64) as f64 / bytes.max(1.0);
        Layer {
            name: &step.name,
            op: &step.op,
            kernel: &step.kernel,
            median_us: time.as_secs_f64() * 1e6,
            share: time.as_secs_f64() / middle.as_secs_f64(),
            macs: step.macs,
            gflops: rate,
            share_of_peak: rate / machine.peak,
            bound: if intensity > ridge { "compute" } else { "memory" },
        }
    };
    let layers = if job.layers { job.steps.iter().zip(steps).map(layer).collect() } else { Vec::new() };
    Report {
        network: network.spec().name,
        mode: if job.train { "training" } else { "inference" },
        isa: network.memory().isa.name(),
        threads: network.memory().pool.threads(),
        batch: job.batch,
        passes: times.len(),
        median_ms: ms(middle),
        min_ms: ms(times[0]),
        max_ms: ms(times[times.len() - 1]),
        spread: (quartile(3) - quartile(1)) / 2.0 / ms(middle),
        images_per_s: job.batch as f64 / middle.as_secs_f64(),
        macs,
        gflops: gflops(macs, middle),
        peak_gflops: machine.peak,
        share_of_peak: gflops(macs, middle) / machine.peak,
        bandwidth_gb_s: machine.bandwidth,
        arena_bytes: network.memory().arena_bytes(),
        lower_bound_bytes: job.lower_bound * job.batch * size_of::<f32>(),
        weight_bytes: network.spec().param_floats * size_of::<f32>(),
        peak_rss_bytes: machine.memory,
        cold_start_ms: ms(machine.cold),
        layers,
    }
}

fn table(report: &Report<'_>) -> String {
    let Report { network, mode, isa, threads, batch, .. } = report;
    let mut text = format!("{network}: {mode}, batch {batch}, {isa}, threads {threads}\n");
    text += &format!(
        "median {:.3} ms (fastest {:.3}, slowest {:.3}, spread ±{:.1} %), {:.1} images/s, {} passes\n",
        report.median_ms,
        report.min_ms,
        report.max_ms,
        100.0 * report.spread,
        report.images_per_s,
        report.passes
    );
    text += &format!(
        "{:.1} GFLOP/s, {:.0} % of the {:.0} GFLOP/s that multiply-adds on registers reach; memory gives {:.1} GB/s\n",
        report.gflops,
        100.0 * report.share_of_peak,
        report.peak_gflops,
        report.bandwidth_gb_s
    );
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    text += &format!(
        "arena {:.1} MiB ({} {:.1}), weights {:.1} MiB",
        mib(report.arena_bytes),
        if report.arena_bytes < report.lower_bound_bytes { "all images at once: at least" } else { "lower bound" },
        mib(report.lower_bound_bytes),
        mib(report.weight_bytes)
    );
    if let Some(bytes) = report.peak_rss_bytes {
        text += &format!(", resident at most {:.1} MiB", bytes as f64 / f64::from(1 << 20));
    }
    text += &format!("; first result {:.1} ms after the start\n", report.cold_start_ms);
    if !report.layers.is_empty() {
        text += &format!("\n{:>10} {:>6} {:>9} {:>6}  {:8} step\n", "µs", "share", "GFLOP/s", "peak", "bound by");
    }
    for layer in &report.layers {
        let rate = if layer.macs == 0 {
            format!("{:>9} {:>6}", "", "")
        } else {
            format!("{:>9.1} {:>4.0} %", layer.gflops, 100.0 * layer.share_of_peak)
        };
        text += &format!(
            "{:>10.1} {:>4.1} % {rate}  {:8} {} ({})\n",
            layer.median_us,
            100.0 * layer.share,
            layer.bound,
            layer.name,
            layer.kernel
        );
    }
    text
}

/// Most memory that was resident, in bytes, where the system says so.
fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The best of a few rounds on all threads: multiply-adds on registers in GFLOP/s, and reading memory in GB/s.
fn probe(memory: &mut Memory) -> (f64, f64) {
    const ROUNDS: usize = 1 << 20;
    let (isa, threads) = (memory.isa, memory.pool.threads());
    let mut results = vec![0.0; threads * 16];
    let mut flops: f64 = 0.0;
    for _ in 0..10 {
        let start = Instant::now();
        memory.pool.pieces(&mut results, 16, &mut memory.scratch, &|_, y, _| isa.probe_multiply_add(ROUNDS, y));
        let done = threads * ROUNDS * isa.probe_flops();
        flops = flops.max(done as f64 / start.elapsed().as_secs_f64());
    }
    // Written, or the system would lend the same page of zeros everywhere.
    let mut data = Buffer::zeroed(READ);
    data.fill(1.0);
    let mut bandwidth: f64 = 0.0;
    for _ in 0..3 {
        let part = READ / threads;
        let start = Instant::now();
        memory.pool.pieces(&mut results, 16, &mut memory.scratch, &|piece, y, _| {
            isa.probe_read(&data[piece * part..][..part], y);
        });
        bandwidth = bandwidth.max((threads * part * size_of::<f32>()) as f64 / start.elapsed().as_secs_f64());
    }
    core::hint::black_box(&results);
    (flops / 1e9, bandwidth / 1e9)
}
