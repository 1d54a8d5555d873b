//! For tests: a folder that vanishes, and a network small enough to be written by hand.

#[cfg(feature = "data")]
pub mod numpy;
#[cfg(all(feature = "data", feature = "weights"))]
pub mod points;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::vec;
use std::vec::Vec;

#[cfg(feature = "harness")]
use crate::random::Random;
use crate::random::mix;
use crate::{
    BatchMut, Buffer, Error, Fans, Init, Learner, Memory, Network, Optimizer, Options, ParamKind, ParamSpec, Role,
    Sizes, Spec, TargetKind, Targets, ValueSpec, check_inputs, check_training, init,
};

/// A folder of its own for each test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(std::format!("cnnc-test-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Whatever this process begins to write as files of these names goes to a device that is always full.
    #[cfg(target_os = "linux")]
    pub fn fill_disk(&self, names: &[&str]) {
        for (name, number) in names.iter().flat_map(|name| (0..10_000).map(move |number| (name, number))) {
            let path = self.path(name);
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let temporary = path.with_file_name(std::format!(".{file}.{}-{number}.tmp", std::process::id()));
            std::os::unix::fs::symlink("/dev/full", temporary).expect("a link");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub const SIDE: usize = 6;
pub const PIXELS: usize = SIDE * SIDE;
pub const CLASSES: usize = 4;

/// `probabilities = softmax(fc(image - mean))`, with a mean that is frozen and a running mean that nobody uses.
pub static SPEC: Spec = Spec {
    name: "Tiny",
    compiler: "0.0.0",
    inputs: &[ValueSpec {
        name: "image",
        shape: &[1, SIDE, SIDE],
        kind: TargetKind::Float,
        ignore: None,
        infers: true,
    }],
    targets: &[ValueSpec { name: "label", shape: &[], kind: TargetKind::Class(CLASSES), ignore: None, infers: false }],
    outputs: &[ValueSpec {
        name: "probabilities",
        shape: &[CLASSES],
        kind: TargetKind::Float,
        ignore: None,
        infers: true,
    }],
    params: &[
        param("fc.weight", &[CLASSES, PIXELS], WEIGHT, Role::Trained, UNIFORM, 0..144),
        param("mean", &[PIXELS], ParamKind::Other, Role::Frozen, Init::Constant(0.25), 160..196),
        param("norm.running_mean", &[PIXELS], ParamKind::Other, Role::Buffer, Init::Constant(0.0), 208..244),
        param("fc.bias", &[CLASSES], ParamKind::Bias, Role::Trained, UNIFORM, 144..148),
    ],
    trained: 160,
    param_floats: 256,
    trains: true,
};

const UNIFORM: Init = Init::Uniform { fan_in: PIXELS };

const WEIGHT: ParamKind = ParamKind::Weight(Fans { fan_in: PIXELS, fan_out: CLASSES, places: 1 });

const fn param(
    name: &'static str,
    shape: &'static [usize],
    kind: ParamKind,
    role: Role,
    init: Init,
    range: core::ops::Range<usize>,
) -> ParamSpec {
    ParamSpec { name, shape, kind, role, init, range }
}

pub struct Tiny {
    params: Buffer,
    memory: Memory,
    input_gradient: Vec<f32>,
    count: usize,
}

impl Tiny {
    pub fn new(options: &Options) -> Self {
        let mut params = Buffer::zeroed(SPEC.param_floats);
        init::fill(&mut params, SPEC.params, options);
        let sizes = Sizes {
            arena: CLASSES,
            gradients: SPEC.trained,
            piece: 160,
            scratch: PIXELS,
            partials: 160,
            ..Sizes::default()
        };
        let memory = Memory::new(options, &sizes);
        Self { params, input_gradient: vec![0.0; options.batch * PIXELS], memory, count: 0 }
    }

    /// Dropout of inputs, by image and pixel.
    fn keep(dropout: Option<(u64, u64)>, element: usize) -> f32 {
        match dropout {
            None => 1.0,
            Some((seed, step)) if mix(mix(seed ^ mix(step)) ^ element as u64) & 7 == 0 => 0.0,
            Some(_) => 8.0 / 7.0,
        }
    }

    fn forward(&mut self, count: usize, image: &[f32], dropout: Option<(u64, u64)>) {
        self.count = count;
        let params = &self.params;
        let memory = &mut self.memory;
        let y = BatchMut::dense(&mut memory.arena[..count * CLASSES], CLASSES);
        memory.pool.images(y, &mut memory.scratch, &|i, y, x| {
            let image = &image[i * PIXELS..][..PIXELS];
            for (pixel, x) in x[..PIXELS].iter_mut().enumerate() {
                *x = (image[pixel] - params[160 + pixel]) * Self::keep(dropout, i * PIXELS + pixel);
            }
            for (class, y) in y.iter_mut().enumerate() {
                let weights = &params[class * PIXELS..][..PIXELS];
                *y = params[144 + class] + weights.iter().zip(&*x).map(|(w, x)| w * x).sum::<f32>();
            }
            let most = y.iter().copied().fold(f32::MIN, f32::max);
            y.iter_mut().for_each(|y| *y = (*y - most).exp());
            let sum: f32 = y.iter().sum();
            y.iter_mut().for_each(|y| *y /= sum);
        });
    }
}

impl Network for Tiny {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn params(&self) -> &[f32] {
        &self.params
    }

    fn params_mut(&mut self) -> &mut [f32] {
        &mut self.params
    }

    fn params_and_memory(&mut self) -> (&mut [f32], &mut Memory) {
        (&mut self.params, &mut self.memory)
    }

    fn infer(&mut self, count: usize, inputs: &[&[f32]]) -> Result<(), Error> {
        check_inputs(&SPEC, self.capacity(), count, inputs)?;
        self.forward(count, inputs[0], None);
        Ok(())
    }

    fn output(&self, _: usize) -> &[f32] {
        &self.memory.arena[..self.count * CLASSES]
    }

    fn pass(
        &mut self,
        count: usize,
        inputs: &[&[f32]],
        targets: &[Targets<'_>],
        dropout: Option<(u64, u64)>,
        behind: Option<&mut Optimizer>,
    ) -> Result<f32, Error> {
        check_training(&SPEC, &self.memory, count, inputs, targets, behind.as_deref())?;
        let (image, labels) = (inputs[0], targets[0].classes());
        self.forward(count, image, dropout);
        let memory = &mut self.memory;
        let (params, probabilities) = (&self.params, &memory.arena);
        let error = |i: usize, class: usize| {
            (probabilities[i * CLASSES + class] - f32::from(labels[i] as usize == class)) / count as f32
        };
        for (element, y) in self.input_gradient[..count * PIXELS].iter_mut().enumerate() {
            let (i, pixel) = (element / PIXELS, element % PIXELS);
            *y = (0..CLASSES).map(|class| error(i, class) * params[class * PIXELS + pixel]).sum::<f32>()
                * Self::keep(dropout, element);
        }
        let (trained, mean) = self.params.split_at_mut(160);
        let mut weights = Learner::new(trained, memory.isa, behind);
        let y = weights.gradient(&mut memory.gradients, 0..160);
        y.groups(&memory.pool, count, &mut memory.partials, &mut memory.scratch, &|images, y, _| {
            for i in images {
                for class in 0..CLASSES {
                    for pixel in 0..PIXELS {
                        let x = image[i * PIXELS + pixel] - mean[pixel];
                        y[class * PIXELS + pixel] += error(i, class) * x * Self::keep(dropout, i * PIXELS + pixel);
                    }
                    y[144 + class] += error(i, class);
                }
            }
        });
        let loss = (0..count).map(|i| -probabilities[i * CLASSES + labels[i] as usize].ln()).sum::<f32>();
        for pixel in 0..PIXELS {
            let mean = (0..count).map(|i| image[i * PIXELS + pixel]).sum::<f32>() / count as f32;
            let running = &mut self.params[208 + pixel];
            *running = 0.9 * *running + 0.1 * mean;
        }
        Ok(loss / count as f32)
    }

    fn input_gradient(&self, _: usize) -> Option<&[f32]> {
        Some(&self.input_gradient[..self.count * PIXELS])
    }
}

/// Noisy pictures of bars: class 0 is dark, 1 bright on the left, 2 bright at the top, 3 bright.
#[cfg(feature = "harness")]
pub fn pictures(count: usize, seed: u64) -> (Vec<u8>, Vec<u8>) {
    let mut random = Random::new(seed);
    let mut bytes = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..count {
        let label = random.below(4) as u8;
        labels.push(label);
        for pixel in 0..PIXELS {
            let (row, column) = (pixel / SIDE, pixel % SIDE);
            let bright = [false, column < SIDE / 2, row < SIDE / 2, true][usize::from(label)];
            let level = if bright { 150 } else { 0 };
            bytes.push(level + random.below(106) as u8);
        }
    }
    (bytes, labels)
}
