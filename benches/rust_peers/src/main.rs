//! Times an engine on an ONNX file, if its output is the one that is expected.
//!
//! usage: rust_peers ENGINE MODEL.onnx INPUT.safetensors OUTPUT.safetensors THREADS SECONDS
//!
//! Says `first` when the first output is there, which is what a cold start is measured by; then prints one JSON line.

mod burn_engine;
mod candle_engine;
mod graph;
mod onnx_runtime;
mod tract;

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use safetensors::SafeTensors;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
/// One pass: the output.
type Pass = Box<dyn FnMut() -> Result<Vec<f32>>>;

/// Images, and the file of the network.
struct Job<'a> {
    model: &'a Path,
    shape: [usize; 4],
    image: Vec<f32>,
    threads: usize,
}

/// Passes before anything is measured, the first of which is compared.
const WARM: usize = 3;
/// Passes that are measured at least.
const PASSES: usize = 3;
/// What an output may be off, as a share of the largest.
const TOLERANCE: f32 = 1e-3;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, model, input, output, threads, seconds] = &arguments[..] else {
        return Err("usage: rust_peers ENGINE MODEL INPUT OUTPUT THREADS SECONDS".into());
    };
    let (shape, image) = tensor(input)?;
    let shape = <[usize; 4]>::try_from(shape).map_err(|_| "images are batches of planes")?;
    let job = Job { model: Path::new(model), shape, image, threads: threads.parse()? };
    let mut pass = match engine.as_str() {
        "onnxruntime_rust" => onnx_runtime::pass(&job),
        "tract" => tract::pass(&job),
        "candle" => graph::pass(candle_engine::Candle, &job),
        "burn" => graph::pass(burn_engine::Burn::default(), &job),
        other => Err(format!("no engine is named `{other}`").into()),
    }?;
    let first = pass()?;
    println!("first");
    let off = off(&first, &tensor(output)?.1);
    let mut line = serde_json::json!({ "off": off });
    if off <= TOLERANCE {
        let times = times(&mut pass, Duration::from_secs_f64(seconds.parse()?))?;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        line["median_ms"] = ms(times[times.len() / 2]).into();
        line["min_ms"] = ms(times[0]).into();
        line["passes"] = times.len().into();
        line["peak_rss_mib"] = peak_rss_mib().into();
    }
    println!("{line}");
    Ok(())
}

/// The one tensor of a file, of floats: its shape and values.
fn tensor(path: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let (_, tensor) = file.iter().next().ok_or("a file without tensors")?;
    let floats = tensor.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    Ok((tensor.shape().to_vec(), floats))
}

/// The largest difference, as a share of the largest number expected.
fn off(got: &[f32], expected: &[f32]) -> f32 {
    if got.len() != expected.len() || got.iter().any(|x| !x.is_finite()) {
        return f32::MAX;
    }
    let largest = |a: f32, b: f32| a.max(b.abs());
    got.iter().zip(expected).map(|(a, b)| a - b).fold(0.0, largest) / expected.iter().copied().fold(0.0, largest)
}

/// The times of passes, sorted.
fn times(pass: &mut Pass, long: Duration) -> Result<Vec<Duration>> {
    for _ in 1..WARM {
        pass()?;
    }
    let (mut times, end) = (Vec::new(), Instant::now() + long);
    while times.len() < PASSES || Instant::now() < end {
        let start = Instant::now();
        pass()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

/// The most memory that was resident at once, where the system tells.
fn peak_rss_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}
