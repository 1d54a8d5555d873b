//! Times an emitted network, if its output is the one that is expected. `benches/convert.py` puts this file, and a `main` that
//! calls it, beside the emitted code.
//!
//! usage: NAME WEIGHTS INPUT EXPECTED THREADS SECONDS
//!
//! Says `first` when the first output is there, which is what a cold start is measured by; then prints one JSON line.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use cnnc_runtime::tensors::TensorFile;
use cnnc_runtime::{Network, Options, weights};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Passes before anything is measured, the first of which is compared.
const WARM: usize = 3;
/// Passes that are measured at least.
const PASSES: usize = 3;
/// What an output may be off, as a share of the largest.
const TOLERANCE: f32 = 1e-3;

/// All of the program but the network's type.
pub fn main(construct: fn(&Options) -> Box<dyn Network>) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, input, expected, threads, seconds] = &arguments[..] else {
        return Err("usage: NAME WEIGHTS INPUT EXPECTED THREADS SECONDS".into());
    };
    let image = Tensor::read(input)?;
    let (threads, batch) = (threads.parse()?, image.count);
    let mut network = construct(&Options { blank: true, keep_weights: false, threads, batch, ..Options::default() });
    weights::load(&mut *network, weights)?;
    network.infer(image.count, &[&image.values])?;
    println!("first");

    let expected = Tensor::read(expected)?;
    let output = network.spec().outputs.iter().position(|o| o.name == expected.name).ok_or("no such output")?;
    let off = off(network.output(output), &expected.values);
    if off > TOLERANCE {
        println!(r#"{{"off": {off}}}"#);
        return Ok(());
    }
    let times = times(&mut *network, &image, Duration::from_secs_f64(seconds.parse()?))?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        r#"{{"off": {off}, "median_ms": {}, "min_ms": {}, "passes": {}, "peak_rss_mib": {}}}"#,
        ms(times[times.len() / 2]),
        ms(times[0]),
        times.len(),
        peak_rss_mib().map_or("null".to_owned(), |mib| mib.to_string())
    );
    Ok(())
}

/// The first tensor of a file.
struct Tensor {
    name: String,
    /// Images.
    count: usize,
    values: Vec<f32>,
}

impl Tensor {
    fn read(path: &str) -> Result<Self> {
        let mut file = TensorFile::open(Path::new(path))?;
        let entry = file.entries().first().cloned().ok_or("a file without tensors")?;
        let mut values = vec![0.0; entry.len()];
        file.floats(&entry, &mut values)?;
        Ok(Self { name: entry.name, count: entry.shape[0], values })
    }
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
fn times(network: &mut dyn Network, image: &Tensor, long: Duration) -> Result<Vec<Duration>> {
    for _ in 1..WARM {
        network.infer(image.count, &[&image.values])?;
    }
    let (mut times, end) = (Vec::new(), Instant::now() + long);
    while times.len() < PASSES || Instant::now() < end {
        let start = Instant::now();
        network.infer(image.count, &[&image.values])?;
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
