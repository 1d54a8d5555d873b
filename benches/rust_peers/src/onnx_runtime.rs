//! ONNX Runtime: its own library, without the Python that it is usually called from.

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use crate::{Job, Pass, Result};

pub fn pass(job: &Job<'_>) -> Result<Pass> {
    // The session keeps it alive.
    let environment = ort::init().with_telemetry(false).build()?;
    let mut session = Session::builder(&environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(job.threads)?
        .commit_from_file(job.model)?;
    let (shape, image) = (job.shape, job.image.clone());
    Ok(Box::new(move || {
        let outputs = session.run(ort::inputs![TensorRef::from_array_view((shape, &image[..]))?])?;
        Ok(outputs[0].try_extract_tensor::<f32>()?.1.to_vec())
    }))
}
