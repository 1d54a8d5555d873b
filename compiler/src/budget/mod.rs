//! Networks within a given memory.
//!
//! Two things can be had for time. Of deployment: Winograd's weights are up to four times as many as those they are made of
//! (`algorithms`). Of training: what the backward pass needs of the forward pass can be computed again (`recompute`).
//! Deployment gives way first, since a network that is trained is deployed less often than it is stepped.

mod algorithms;
mod recompute;

use crate::diagnostics::{Diagnostic, FileId, Span};
use crate::emit::Planned;
use crate::graph::Graph;
use crate::optimize::Floats;
use crate::plan::{ParamLayout, Resident};

/// Groups of images whose partial sums are added in order: `cnnc_runtime::GROUPS`.
const GROUPS: usize = 8;

/// The code of a mistake about memory that does not suffice.
pub const EXCEEDED: &str = "memory";

/// How much memory a network may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of weights, gradients, and what a pass needs. Working memory of threads comes on top, so that plans do not depend on how many
    /// there are.
    pub bytes: usize,
    /// Images of a pass, at most.
    pub images: usize,
    /// Vectors as long as the trained weights that whoever trains them keeps, such as momentum.
    pub vectors: usize,
    /// Copies of all weights and buffers, such as a moving average.
    pub copies: usize,
    /// Whether all gradients are kept behind a pass, instead of weights being updated as gradients come.
    pub keeps_gradients: bool,
}

/// What a network takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Weights and buffers; of deployment alone, those that are left as they are.
    pub weights: usize,
    /// The gradients of trained weights that are in memory at once.
    pub gradients: usize,
    /// Vectors of the optimizer, and copies of weights.
    pub optimizer: usize,
    /// What is made of weights for deployment.
    pub prepared: usize,
    /// Weights that are in memory beyond those while it is made for the first time, where they are given back.
    pub preparing: usize,
    /// The values of all images of a pass.
    pub values: usize,
    /// Values that images share, and partial sums.
    pub shared: usize,
    /// Working memory of each thread, which is not in the total.
    pub thread: usize,
}

impl Taken {
    /// What a pass takes of as many images as a budget is for.
    pub fn of(inference: &Planned, training: Option<&Planned>, budget: &Budget) -> Self {
        let (i, t) = (inference.plan.sizes, training.map(|t| t.plan.sizes).unwrap_or_default());
        let front = inference.plan.front.as_ref();
        let all = |arena: usize| arena.saturating_mul(budget.images);
        let values = front.map_or(all(i.arena), |front| front.arena(i.arena, budget.images)).max(all(t.arena));
        let params = ParamLayout::of(&inference.graph);
        let bytes = |floats: usize| floats.saturating_mul(size_of::<f32>());
        let trained = if training.is_some() { bytes(params.trained) } else { 0 };
        let behind = training.map(|t| &t.plan.behind).filter(|_| !budget.keeps_gradients);
        let resident = match training {
            Some(_) => Resident { most: params.len + i.prepared, left: params.len },
            None => Resident::of(&inference.graph, &inference.plan),
        };
        Self {
            weights: bytes(resident.left),
            gradients: behind.map_or(trained, |behind| bytes(behind.late_floats)),
            optimizer: trained.saturating_mul(budget.vectors) + bytes(params.len).saturating_mul(budget.copies),
            prepared: bytes(i.prepared),
            preparing: bytes(resident.most.saturating_sub(resident.left + i.prepared)),
            values: bytes(values),
            shared: bytes(i.fixed.max(t.fixed) + i.partials.max(t.partials) * GROUPS),
            // In front, a thread has as much again of its own.
            thread: bytes(i.scratch.max(t.scratch)) * (1 + usize::from(front.is_some()))
                + training.map_or(0, |t| bytes(t.plan.behind.piece)),
        }
    }

    /// All of it, without threads.
    pub fn total(&self) -> usize {
        let Self { weights, gradients, optimizer, prepared, preparing, values, shared, thread: _ } = *self;
        [weights, gradients, optimizer, prepared, preparing, values, shared].into_iter().fold(0, usize::saturating_add)
    }
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimizer", self.optimizer),
            ("weights made ready", self.prepared),
            ("more while they are made", self.preparing),
            ("values", self.values),
            ("what images share", self.shared),
        ];
        let parts = parts.iter().filter(|(_, bytes)| *bytes > 0);
        let parts: Vec<String> = parts.map(|(what, bytes)| format!("{what} {}", in_units(*bytes))).collect();
        write!(f, "{}; each thread takes {} more", parts.join(", "), in_units(self.thread))
    }
}

impl Budget {
    /// Makes a network fit: `inference` plans deployment of a graph, `training` is as fast as can be. What is returned takes more
    /// than the budget only if nothing was found that fits.
    pub fn fit(
        &self,
        graph: &Graph,
        inference: impl Fn(Graph) -> Planned,
        training: Option<Planned>,
    ) -> (Planned, Option<Planned>) {
        let over = |i: &Planned| Taken::of(i, training.as_ref(), self).total().saturating_sub(self.bytes);
        let lighter = |of: Floats| {
            let mut deployed = inference(graph.clone());
            let mut slower = graph.clone();
            while let over @ 1.. = over(&deployed)
                && algorithms::lighten(&mut slower.tuning.inference, &deployed.graph, of, over / size_of::<f32>() + 1)
            {
                // What is lighter by the model may not be so by the plan; then more is given up. Each round leaves fewer floats by
                // the model, so this ends.
                deployed = inference(slower.clone());
            }
            deployed
        };
        // Which floats count is known behind the plan only.
        let ways = [Floats::All, Floats::Weights].map(|of| {
            let deployed = lighter(of);
            (over(&deployed), algorithms::cycles(&deployed.graph), deployed)
        });
        let better = ways.into_iter().min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (.., deployed) = better.expect("two ways");
        let total = |trained: &Planned| Taken::of(&deployed, Some(trained), self).total();
        let training = training.map(|trained| recompute::within(trained, self.bytes, total, self.images));
        (deployed, training)
    }

    /// That a network takes more than this at least.
    pub fn exceeded(&self, entry: FileId, graph: &Graph, least: &Taken) -> Diagnostic {
        let whole = Span { file: entry, start: 0, end: 0 };
        let title = format!("the net `{}` does not fit into {}", graph.name, in_units(self.bytes));
        let (total, images) = (at_least(least.total()), self.said());
        let fits = match (self.images, least.gradients) {
            (2.., _) => "more memory, or fewer images of a pass",
            (_, 0) => "more memory",
            _ => "more memory; deployment alone (`--infer-only`) takes less than training",
        };
        Diagnostic::new(whole, title)
            .code(EXCEEDED)
            .found(format!("no less than {total} for {images}: {least}"))
            .fits(fits)
    }

    /// What it is for: `8 images`.
    pub fn said(&self) -> String {
        format!("{} image{}", self.images, if self.images == 1 { "" } else { "s" })
    }
}

/// A size that is large enough, in whole tenths of its unit.
fn at_least(bytes: usize) -> String {
    let (unit, name) = if bytes < 1 << 20 { (1 << 10, "KiB") } else { (1 << 20, "MiB") };
    let tenths = bytes.saturating_mul(10).div_ceil(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// `1.5 KiB`
pub fn in_units(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Bytes as people write them: `512MiB`, `1.5 GB`, `65536`.
///
/// # Errors
/// Says that the text is no size, and what would be one.
pub fn bytes(text: &str) -> Result<usize, String> {
    let fits = || format!("`{text}` is no size of memory; one is `512MiB`, `1.5GiB` or `800MB`");
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(fits()),
    };
    match number.parse::<f64>() {
        Ok(number) if number * unit >= 1.0 && number * unit < 1e18 => Ok((number * unit) as usize),
        _ => Err(fits()),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "cli")]
    #[test]
    fn groups_are_those_of_the_runtime() {
        assert_eq!(super::GROUPS, cnnc_runtime::GROUPS);
    }
}
