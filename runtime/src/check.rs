//! What a network is given, checked before it runs.

use alloc::string::ToString;

use crate::{Error, Spec, TargetKind, Targets};

/// Checks the inputs of an inference pass; those it does not need may be empty.
///
/// # Errors
/// There are no images or more than `capacity`, or an input is missing or has another length than these images' values.
pub fn check_inputs(spec: &Spec, capacity: usize, count: usize, inputs: &[&[f32]]) -> Result<(), Error> {
    check_count(capacity, count)?;
    check_floats(spec, count, inputs, false)
}

/// Checks inputs and targets of a training pass.
///
/// # Errors
/// Those of [`check_inputs`], of which none may be empty; or a target is missing, has another length, is of the other kind, or holds a
/// class that does not exist.
pub fn check_training(
    spec: &Spec,
    capacity: usize,
    count: usize,
    inputs: &[&[f32]],
    targets: &[Targets<'_>],
) -> Result<(), Error> {
    check_count(capacity, count)?;
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
