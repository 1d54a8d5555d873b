//! A network that passes numbers on, as embeddings or as points.

use std::vec;
use std::vec::Vec;

use crate::{
    Error, Memory, Network, Optimizer, Options, Sizes, Spec, TargetKind, Targets, ValueSpec, check_inputs,
    check_training,
};

const fn input(name: &'static str, infers: bool) -> ValueSpec {
    ValueSpec { name, shape: &[1], kind: TargetKind::Float, ignore: None, infers }
}

const fn spec(inputs: &'static [ValueSpec], targets: &'static [ValueSpec], outputs: &'static [ValueSpec]) -> Spec {
    let (name, compiler) = ("Points", "0.0.0");
    Spec { name, compiler, inputs, targets, outputs, params: &[], trained: 0, param_floats: 0, trains: true }
}

const FIRST: ValueSpec = input("first", true);
const SECOND: ValueSpec = input("second", false);
const THIRD: ValueSpec = input("third", false);
const WANTED: ValueSpec = input("wanted", false);
const EMBEDDING: ValueSpec = input("embedding", true);
const PICTURE: ValueSpec =
    ValueSpec { name: "picture", shape: &[1, 1, 5], kind: TargetKind::Float, ignore: None, infers: true };
const PLACES: ValueSpec =
    ValueSpec { name: "places", shape: &[5], kind: TargetKind::Float, ignore: None, infers: true };

/// Whether two numbers are the same.
pub static PAIRS: Spec = spec(&[FIRST, SECOND], &[WANTED], &[EMBEDDING]);

/// A number, one alike and another one.
pub static TRIPLETS: Spec = spec(&[FIRST, SECOND, THIRD], &[], &[EMBEDDING]);

/// A number that is high where the target is 1.
pub static SCORES: Spec = spec(&[FIRST], &[WANTED], &[EMBEDDING]);

/// Whether there are two points, and where; a picture of five pixels is the answer.
pub static PLACED: Spec = spec(&[PICTURE], &[PLACES], &[PLACES]);

/// Scores of three classes at four places; 255 has no class.
pub static MAPS: Spec = spec(
    &[ValueSpec { name: "scores", shape: &[3, 2, 2], ..PICTURE }],
    &[ValueSpec { name: "map", shape: &[2, 2], kind: TargetKind::Class(3), ignore: Some(255), infers: false }],
    &[ValueSpec { name: "scores", shape: &[3, 2, 2], ..PICTURE }],
);

/// Scores of two classes; 9 is neither.
pub static LABELLED: Spec = spec(
    &[ValueSpec { name: "scores", shape: &[2], ..PICTURE }],
    &[ValueSpec { name: "label", shape: &[], kind: TargetKind::Class(2), ignore: Some(9), infers: false }],
    &[ValueSpec { name: "scores", shape: &[2], ..PICTURE }],
);

/// Two boxes of one class; a picture of twelve pixels is the answer.
pub static BOXES: Spec = spec(
    &[ValueSpec { name: "picture", shape: &[1, 2, 6], ..PICTURE }],
    &[ValueSpec { name: "objects", shape: &[3, 5], kind: TargetKind::Float, ignore: None, infers: false }],
    &[ValueSpec { name: "detections", shape: &[2, 6], ..PICTURE }],
);

pub struct Points {
    spec: &'static Spec,
    memory: Memory,
    answer: Vec<f32>,
    /// Training steps so far.
    steps: u32,
}

impl Points {
    pub fn new(spec: &'static Spec, batch: usize) -> Self {
        let memory = Memory::new(&Options { batch, ..Options::default() }, &Sizes::default());
        Self { spec, memory, answer: vec![], steps: 0 }
    }
}

impl Network for Points {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn params(&self) -> &[f32] {
        &[]
    }

    fn params_mut(&mut self) -> &mut [f32] {
        &mut []
    }

    fn params_and_memory(&mut self) -> (&mut [f32], &mut Memory) {
        (&mut [], &mut self.memory)
    }

    fn infer(&mut self, count: usize, inputs: &[&[f32]]) -> Result<(), Error> {
        check_inputs(self.spec, self.capacity(), count, inputs)?;
        self.answer = inputs[0].to_vec();
        Ok(())
    }

    fn output(&self, _: usize) -> &[f32] {
        &self.answer
    }

    fn pass(
        &mut self,
        count: usize,
        inputs: &[&[f32]],
        targets: &[Targets<'_>],
        _: Option<(u64, u64)>,
        behind: Option<&mut Optimizer>,
    ) -> Result<f32, Error> {
        check_training(self.spec, &self.memory, count, inputs, targets, behind.as_deref())?;
        self.answer = inputs[0].to_vec();
        self.steps += 1;
        // As if it learnt something.
        Ok(1.0 / self.steps as f32)
    }

    fn input_gradient(&self, _: usize) -> Option<&[f32]> {
        None
    }
}
