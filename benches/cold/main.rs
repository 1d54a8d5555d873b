//! Weights from a file, one image, one answer: what `peers.py --cold` measures the cold start of.
//! usage: resnet18 WEIGHTS INPUT THREADS

use cnnc_runtime::tensors::TensorFile;
use cnnc_runtime::{Options, weights};
use resnet18::ResNet18;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, input, threads] = &arguments[..] else { return Err("usage: resnet18 WEIGHTS INPUT THREADS".into()) };
    let mut net = ResNet18::with_options(&Options { threads: threads.parse()?, ..Options::default() });
    weights::load(&mut net, file)?;
    let (mut input, mut image) = (TensorFile::open(input.as_ref())?, [0.0; 3 * 224 * 224]);
    let entry = input.entry("image").cloned().ok_or("no image")?;
    input.floats(&entry, &mut image)?;
    println!("{}", net.infer(&image).logits[0]);
    Ok(())
}
