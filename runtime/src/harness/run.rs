//! `cnnc run`: how anyone compares us with another framework.

use std::vec;
use std::vec::Vec;

use super::{Failure, Harness, Keep};
use crate::data::{BatchData, Dataset, Draw};
use crate::job::Run;
use crate::tensors::{self, Tensor};
use crate::{Network, Role, ValueSpec, weights};

/// Images of a batch where the result does not depend on it.
const BATCH: usize = 64;

impl Harness<'_> {
    /// Writes every output for the tensors in a file and, where asked, loss and gradients.
    pub(super) fn run_tensors(&mut self, job: &Run) -> Result<(), Failure> {
        let spec = self.network(&job.machine, None, 1, Keep::default())?.spec();
        let data = match job.gradients {
            Some(_) => Dataset::tensors(&job.input, spec)?,
            None => Dataset::inputs(&job.input, spec)?,
        };
        // Batch statistics and the mean of the loss are those of all images together.
        let batch = if job.gradients.is_some() { data.len() } else { data.len().min(BATCH) };
        let mut network = self.network(
            &job.machine,
            job.weights.is_none().then_some(job.seed),
            batch,
            Keep { gradients: job.gradients.is_some(), weights: false },
        )?;
        if let Some(path) = &job.weights {
            weights::load(&mut *network, path)?;
        }
        infer(&mut *network, &data, batch, job)?;
        match &job.gradients {
            Some(path) => differentiate(&mut *network, &data, path),
            None => Ok(()),
        }
    }
}

fn infer(network: &mut dyn Network, data: &Dataset, size: usize, job: &Run) -> Result<(), Failure> {
    let spec = network.spec();
    let mut batch = BatchData::new(spec, size);
    let mut outputs: Vec<Vec<f32>> = vec![Vec::new(); spec.outputs.len()];
    let numbers: Vec<usize> = (0..data.len()).collect();
    for numbers in numbers.chunks(size) {
        batch.load(data, numbers, Draw::default())?;
        network.infer(numbers.len(), &batch.inputs())?;
        for (index, values) in outputs.iter_mut().enumerate() {
            values.extend_from_slice(network.output(index));
        }
    }
    let tensors: Vec<Tensor<'_>> = spec
        .outputs
        .iter()
        .zip(&outputs)
        .map(|(output, values)| Tensor::new(output.name, &batched(output, data.len()), values))
        .collect();
    Ok(tensors::write(&job.output, &tensors, None)?)
}

fn differentiate(network: &mut dyn Network, data: &Dataset, path: &std::path::Path) -> Result<(), Failure> {
    let spec = network.spec();
    let mut batch = BatchData::new(spec, data.len());
    let numbers: Vec<usize> = (0..data.len()).collect();
    batch.load(data, &numbers, Draw::default())?;
    let loss = [network.train(data.len(), &batch.inputs(), &batch.targets(), None)?];
    let mut all = vec![Tensor::new("loss", &[], &loss)];
    let gradients = network.gradients();
    let trained = spec.params.iter().filter(|param| param.role == Role::Trained);
    all.extend(trained.map(|param| Tensor::new(param.name, param.shape, &gradients[param.range.clone()])));
    for (index, input) in spec.inputs.iter().enumerate() {
        if let Some(gradient) = network.input_gradient(index) {
            all.push(Tensor::new(input.name, &batched(input, data.len()), gradient));
        }
    }
    Ok(tensors::write(path, &all, None)?)
}

/// The shape with the batch first.
fn batched(value: &ValueSpec, count: usize) -> Vec<usize> {
    [&[count], value.shape].concat()
}
