//! What a network is given, checked before it runs.

use alloc::string::ToString;

use crate::{Error, Memory, Optimizer, Spec, TargetKind, Targets};

/// Checks the inputs of an inference pass; those it does not need may be empty.
///
/// # Errors
/// There are no images or more than `capacity`, or an input is missing or has another length than these images' values.
pub fn check_inputs(spec: &Spec, capacity: usize, count: usize, inputs: &[&[f32]]) -> Result<(), Error> {
    check_count(capacity, count)?;
    check_floats(spec, count, inputs, false)
}

/// Checks what a training pass is given.
///
/// # Errors
/// Those of [`Network::pass`](crate::Network::pass).
pub fn check_training(
    spec: &Spec,
    memory: &Memory,
    count: usize,
    inputs: &[&[f32]],
    targets: &[Targets<'_>],
    behind: Option<&Optimizer>,
) -> Result<(), Error> {
    match behind {
        Some(optimizer) => optimizer.works_behind()?,
        None if !memory.keeps_gradients() => return Err(Error::Gradients("a pass without an optimizer")),
        None => {}
    }
    check_count(memory.capacity(), count)?;
    check_floats(spec, count, inputs, true)?;
    if targets.len() != spec.targets.len() {
        return Err(Error::Length { name: "targets".to_string(), given: targets.len(), needed: spec.targets.len() });
    }
    for (target, values) in spec.targets.iter().zip(targets) {
        let (needed, name) = (count * target.image_len(), || target.name.to_string());
        let given = match (values, target.kind) {
            (Targets::Classes(classes), TargetKind::Class(limit)) => {
                if let Some(at) = classes.iter().position(|label| !target.has_label(*label)) {
                    let image = at / target.image_len();
                    return Err(Error::Class { name: name(), image, given: classes[at], classes: limit });
                }
                classes.len()
            }
            (Targets::Floats(floats), TargetKind::Float) => floats.len(),
            (Targets::Classes(_), TargetKind::Float) | (Targets::Floats(_), TargetKind::Class(_)) => {
                return Err(Error::Kind { name: name(), kind: target.kind });
            }
        };
        if given != needed {
            return Err(Error::Length { name: name(), given, needed });
        }
    }
    Ok(())
}

fn check_count(capacity: usize, count: usize) -> Result<(), Error> {
    if count == 0 || count > capacity { Err(Error::Batch { given: count, capacity }) } else { Ok(()) }
}

fn check_floats(spec: &Spec, count: usize, inputs: &[&[f32]], all: bool) -> Result<(), Error> {
    if inputs.len() != spec.inputs.len() {
        return Err(Error::Length { name: "inputs".to_string(), given: inputs.len(), needed: spec.inputs.len() });
    }
    for (input, values) in spec.inputs.iter().zip(inputs).filter(|(input, _)| all || input.infers) {
        let needed = count * input.image_len();
        if values.len() != needed {
            return Err(Error::Length { name: input.name.to_string(), given: values.len(), needed });
        }
    }
    Ok(())
}
