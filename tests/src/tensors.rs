//! Tensors in files.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;

/// Tensors of a file by name, as numbers.
///
/// # Panics
/// If that is no safetensors file.
pub fn tensors(path: &Path) -> BTreeMap<String, Vec<f64>> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let floats = |data: &[u8]| {
        data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("four")))).collect()
    };
    file.tensors().into_iter().map(|(name, view)| (name, floats(view.data()))).collect()
}

/// The largest difference, over the largest number that was expected.
pub fn furthest(got: &[f64], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(1e-6_f64, |m, x| m.max(x.abs()));
    // A difference that is no number counts as infinite; `max` would pass over it.
    let difference = |(g, e): (&f64, &f64)| if (g - e).is_nan() { f64::INFINITY } else { (g - e).abs() / largest };
    got.iter().zip(expected).map(difference).fold(0.0, f64::max)
}
