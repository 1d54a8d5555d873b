//! Learning on pictures that are drawn when they are needed, a batch a step.

use cnnc_runtime::schedule::{Decay, Schedule};

use crate::{Result, progress};

/// Makes so many steps: `step` makes one with a factor of the learning rate, which falls along half a cosine, and returns its loss.
/// Returns the moving average of the losses, which each of them enters with the share `entering`.
pub fn learn(steps: usize, entering: f32, mut step: impl FnMut(f64) -> Result<f32>) -> Result<f32> {
    let schedule = Schedule { warmup: 0.0, decay: Decay::Cosine { end: 0.01 } };
    let bar = progress("learning", steps);
    let mut loss = 0.0;
    for number in 0..steps {
        loss += (step(schedule.factor(number as u64, steps as u64, 1))? - loss) * entering;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(loss)
}
