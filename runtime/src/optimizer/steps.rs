//! One step of each rule, compiled for each instruction set: its coefficients and its loop. `factor` is that of the learning rate,
//! `decay` that of the weight decay.

use super::{Adagrad, Adam, AdamW, Lars, RmsProp, Rule, STATE, Sgd};
use crate::Isa;
use crate::isa::per_isa;

/// What is done to some weights in a step, each of them alone.
#[derive(Debug)]
pub(super) enum Step {
    Plain(SgdStep),
    Momentum(SgdStep),
    Root(RootStep),
    Deviation(RootStep),
    Adam(AdamStep),
}

impl Step {
    /// By a rule. Layers of LARS have a rate that only shows with their gradients; L-BFGS makes no such steps, so this is none.
    pub(super) fn new(rule: &Rule, factor: f64, step: u64, decay: f64) -> Self {
        match rule {
            Rule::Sgd(sgd) if sgd.momentum == 0.0 => Self::Plain(SgdStep::new(sgd, factor, step, decay)),
            Rule::Sgd(sgd) => Self::Momentum(SgdStep::new(sgd, factor, step, decay)),
            Rule::Lars(lars) => Self::Momentum(SgdStep::lars(lars, factor, decay, None)),
            Rule::RmsProp(rule) if rule.momentum > 0.0 || rule.centered => {
                Self::Deviation(RootStep::rmsprop(rule, factor, decay))
            }
            Rule::RmsProp(rule) => Self::Root(RootStep::rmsprop(rule, factor, decay)),
            Rule::Adagrad(rule) => Self::Root(RootStep::adagrad(rule, factor, step, decay)),
            Rule::Adam(rule) => Self::Adam(AdamStep::new(rule, factor, step, decay)),
            Rule::AdamW(rule) => Self::Adam(AdamStep::decoupled(rule, factor, step, decay)),
            Rule::Lbfgs(_) => Self::Plain(SgdStep::new(&Sgd { learning_rate: 0.0, ..Sgd::default() }, 0.0, step, 0.0)),
        }
    }

    /// Does it: gradients, weights, and what is remembered of them, as much as the rule has.
    pub(super) fn apply(&self, isa: Isa, g: &[f32], w: &mut [f32], [a, b, c]: [&mut [f32]; STATE]) {
        match self {
            Self::Plain(k) => isa.sgd_plain(k, g, w),
            Self::Momentum(k) => isa.sgd_momentum(k, g, w, a),
            Self::Root(k) => isa.over_root(k, g, w, a),
            Self::Deviation(k) => isa.over_deviation(k, g, w, a, b, c),
            Self::Adam(k) => isa.adam(k, g, w, a, b),
        }
    }
}

/// The coefficients of a step of SGD, and of LARS.
#[derive(Debug)]
pub(super) struct SgdStep {
    rate: f32,
    decay: f32,
    momentum: f32,
    entering: f32,
    nesterov: bool,
    /// Times the gradient: the trust of a layer.
    trust: f32,
}

impl SgdStep {
    pub(super) fn new(sgd: &Sgd, factor: f64, step: u64, decay: f64) -> Self {
        Self {
            rate: (sgd.learning_rate * factor) as f32,
            decay: (sgd.weight_decay * decay) as f32,
            momentum: sgd.momentum as f32,
            // The first gradient enters whole: PyTorch starts the momentum with it.
            entering: if step == 1 { 1.0 } else { (1.0 - sgd.dampening) as f32 },
            nesterov: sgd.nesterov,
            trust: 1.0,
        }
    }

    /// `norms` of the weights and of the gradient, where the layer has a rate of its own.
    pub(super) fn lars(lars: &Lars, factor: f64, decay: f64, norms: Option<(f64, f64)>) -> Self {
        let decay = lars.weight_decay * decay;
        let trust = match norms {
            Some((weight, gradient)) if weight > 0.0 && gradient > 0.0 => {
                lars.trust * weight / (gradient + decay * weight)
            }
            _ => 1.0,
        };
        Self {
            rate: (lars.learning_rate * factor) as f32,
            decay: decay as f32,
            momentum: lars.momentum as f32,
            entering: 1.0,
            nesterov: false,
            trust: trust as f32,
        }
    }
}

/// The coefficients of a step of RMSprop and Adagrad.
#[derive(Debug)]
pub(super) struct RootStep {
    rate: f32,
    decay: f32,
    keep: f32,
    entering: f32,
    epsilon: f32,
    momentum: f32,
    /// 1 where the square of the mean is taken from the mean square.
    centered: f32,
}

impl RootStep {
    pub(super) fn rmsprop(rule: &RmsProp, factor: f64, decay: f64) -> Self {
        Self {
            rate: (rule.learning_rate * factor) as f32,
            decay: (rule.weight_decay * decay) as f32,
            keep: rule.alpha as f32,
            entering: (1.0 - rule.alpha) as f32,
            epsilon: rule.epsilon as f32,
            momentum: rule.momentum as f32,
            centered: f32::from(u8::from(rule.centered)),
        }
    }

    pub(super) fn adagrad(rule: &Adagrad, factor: f64, step: u64, decay: f64) -> Self {
        Self {
            rate: (rule.learning_rate * factor / (1.0 + (step - 1) as f64 * rule.rate_decay)) as f32,
            decay: (rule.weight_decay * decay) as f32,
            keep: 1.0,
            entering: 1.0,
            epsilon: rule.epsilon as f32,
            momentum: 0.0,
            centered: 0.0,
        }
    }
}

/// The coefficients of a step of Adam and AdamW.
#[derive(Debug)]
pub(super) struct AdamStep {
    rate: f32,
    /// This times the weight is added to the gradient.
    decay: f32,
    /// What is left of the weight.
    keep: f32,
    beta1: f32,
    beta2: f32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    root_scale: f32,
    epsilon: f32,
}

impl AdamStep {
    pub(super) fn new(adam: &Adam, factor: f64, step: u64, decay: f64) -> Self {
        let (correction1, correction2) = (1.0 - power(adam.beta1, step), 1.0 - power(adam.beta2, step));
        Self {
            rate: (adam.learning_rate * factor / correction1) as f32,
            decay: (adam.weight_decay * decay) as f32,
            keep: 1.0,
            beta1: adam.beta1 as f32,
            beta2: adam.beta2 as f32,
            one_minus_beta1: (1.0 - adam.beta1) as f32,
            one_minus_beta2: (1.0 - adam.beta2) as f32,
            root_scale: 1.0 / root(correction2 as f32),
            epsilon: adam.epsilon as f32,
        }
    }

    pub(super) fn decoupled(adamw: &AdamW, factor: f64, step: u64, decay: f64) -> Self {
        let &AdamW { learning_rate, beta1, beta2, epsilon, weight_decay } = adamw;
        let adam = Adam { learning_rate, beta1, beta2, epsilon, weight_decay: 0.0 };
        let keep = (1.0 - learning_rate * factor * (weight_decay * decay)) as f32;
        Self { keep, ..Self::new(&adam, factor, step, 0.0) }
    }
}

per_isa! {
    pub(super) fn sgd_plain(k: &SgdStep, gradients: &[f32], weights: &mut [f32]) {
        for (w, &g) in weights.iter_mut().zip(gradients) {
            *w -= k.rate * (g + k.decay * *w);
        }
    }

    pub(super) fn sgd_momentum(k: &SgdStep, gradients: &[f32], weights: &mut [f32], velocity: &mut [f32]) {
        let (of_gradient, of_velocity) = if k.nesterov { (1.0, k.momentum) } else { (0.0, 1.0) };
        for ((w, v), &g) in weights.iter_mut().zip(velocity).zip(gradients) {
            let g = (g + k.decay * *w) * k.trust;
            *v = k.momentum * *v + k.entering * g;
            *w -= k.rate * (of_gradient * g + of_velocity * *v);
        }
    }

    pub(super) fn over_root(k: &RootStep, gradients: &[f32], weights: &mut [f32], square: &mut [f32]) {
        for ((w, s), &g) in weights.iter_mut().zip(square).zip(gradients) {
            let g = g + k.decay * *w;
            *s = k.keep * *s + k.entering * (g * g);
            *w -= k.rate * g / (root(*s) + k.epsilon);
        }
    }

    pub(super) fn over_deviation(
        k: &RootStep,
        gradients: &[f32],
        weights: &mut [f32],
        square: &mut [f32],
        mean: &mut [f32],
        velocity: &mut [f32],
    ) {
        for ((((w, s), m), v), &g) in weights.iter_mut().zip(square).zip(mean).zip(velocity).zip(gradients) {
            let g = g + k.decay * *w;
            *s = k.keep * *s + k.entering * (g * g);
            *m += k.entering * (g - *m);
            // Rounding may leave less than nothing of a gradient that never changes.
            let variance = (*s - k.centered * (*m * *m)).max(0.0);
            *v = k.momentum * *v + g / (root(variance) + k.epsilon);
            *w -= k.rate * *v;
        }
    }

    pub(super) fn adam(k: &AdamStep, gradients: &[f32], weights: &mut [f32], mean: &mut [f32], square: &mut [f32]) {
        for (((w, m), v), &g) in weights.iter_mut().zip(mean).zip(square).zip(gradients) {
            let kept = k.keep * *w;
            let g = g + k.decay * *w;
            *m = k.beta1 * *m + k.one_minus_beta1 * g;
            *v = k.beta2 * *v + k.one_minus_beta2 * (g * g);
            *w = kept - k.rate * *m / (root(*v) * k.root_scale + k.epsilon);
        }
    }

    pub(super) fn add_scaled(factor: f32, x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += factor * x;
        }
    }

    pub(super) fn shrink(factor: f32, y: &mut [f32]) {
        for y in y {
            *y *= factor;
        }
    }

    pub(super) fn clamp(bound: f32, y: &mut [f32]) {
        for y in y {
            *y = y.clamp(-bound, bound);
        }
    }

    pub(super) fn blend(keep: f32, x: &[f32], y: &mut [f32]) {
        let entering = 1.0 - keep;
        for (y, &x) in y.iter_mut().zip(x) {
            *y += entering * (x - *y);
        }
    }
}

/// `x` to the power `n`, the same bits on every machine.
fn power(x: f64, n: u64) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, x, n);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

#[inline(always)]
pub(super) fn root(x: f32) -> f32 {
    #[cfg(feature = "std")]
    return x.sqrt();
    #[cfg(not(feature = "std"))]
    newton_root(x)
}

/// The square root in double precision: that of single precision, made better by one step of Newton's.
pub(super) fn double_root(x: f64) -> f64 {
    let estimate = f64::from(root(x as f32));
    if estimate > 0.0 && estimate.is_finite() { 0.5 * (estimate + x / estimate) } else { estimate }
}

/// The square root by Newton's method, since `core` has none: from an estimate good to 4 %, made by halving the exponent.
#[cfg(any(test, not(feature = "std")))]
#[inline(always)]
pub(super) fn newton_root(x: f32) -> f32 {
    let mut root = f32::from_bits((x.to_bits() >> 1) + 0x1fbd_1df5);
    for _ in 0..3 {
        root = 0.5 * (root + x / root);
    }
    if x > 0.0 { root } else { x }
}
