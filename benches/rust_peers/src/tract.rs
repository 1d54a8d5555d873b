//! tract: the ONNX file, optimised; matrix products on several threads.

use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

use crate::{Job, Pass, Result};

pub fn pass(job: &Job<'_>) -> Result<Pass> {
    if job.threads > 1 {
        set_default_executor(Executor::multithread(job.threads));
    }
    let model = tract_onnx::onnx().model_for_path(job.model)?.into_optimized()?.into_runnable()?;
    let image = Tensor::from_shape(&job.shape, &job.image)?;
    Ok(Box::new(move || {
        let outputs = model.run(tvec!(image.clone().into()))?;
        Ok(outputs[0].to_plain_array_view::<f32>()?.iter().copied().collect())
    }))
}
