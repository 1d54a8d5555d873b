//! What the published network sees of pictures, computed once and kept in a file.

use std::path::Path;

use cnnc_examples::{Result, say};
use cnnc_runtime::Network;
use cnnc_runtime::tensors::{self, Tensor, TensorFile};

use super::cells::Cells;
use super::{BATCH, FEATURES, Whole};

/// The outputs of `Whole` that other networks go on from.
pub struct Features {
    /// `[32, 16, 16]` each: behind the second stage.
    pub middle: Vec<f32>,
    /// `[96]` each: means over the map behind the second stage and behind the third.
    pub features: Vec<f32>,
}

impl Features {
    /// Reads them if the file is of these cells and these weights; otherwise computes and keeps them.
    pub fn of(cells: &Cells, net: &mut Whole, path: &Path) -> Result<Self> {
        let key = format!("{:016x}", digest(cells.pixels.iter().chain(net.params())));
        if path.is_file()
            && let Some(kept) = Self::kept(path, &key)?
        {
            say!("{}: features of {} cells, kept from an earlier run", path.display(), cells.len());
            return Ok(kept);
        }
        let mut computed = Self { middle: Vec::new(), features: Vec::new() };
        for images in cells.pixels.as_chunks().0.chunks(BATCH) {
            let seen = net.infer_batch(images)?;
            computed.middle.extend(seen.middle.as_flattened());
            computed.features.extend(seen.features.as_flattened());
        }
        let count = cells.len();
        let tensors = [
            Tensor::new("middle", &[count, 32, 16, 16], &computed.middle),
            Tensor::new("features", &[count, FEATURES], &computed.features),
        ];
        tensors::write(path, &tensors, Some(&key))?;
        say!("{}: features of {count} cells, computed once", path.display());
        Ok(computed)
    }

    /// What a file holds, if it has this key.
    fn kept(path: &Path, key: &str) -> Result<Option<Self>> {
        let mut file = TensorFile::open(path)?;
        if file.metadata() != Some(key) {
            return Ok(None);
        }
        let mut read = |name: &str| {
            let entry = file.entry(name).cloned().ok_or_else(|| file.error(format!("there is no `{name}`")))?;
            let mut values = vec![0.0; entry.len()];
            file.floats(&entry, &mut values)?;
            Ok::<_, cnnc_runtime::files::FileError>(values)
        };
        Ok(Some(Self { middle: read("middle")?, features: read("features")? }))
    }
}

/// FNV-1a of the bits of numbers.
fn digest<'a>(values: impl Iterator<Item = &'a f32>) -> u64 {
    values
        .flat_map(|value| value.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
