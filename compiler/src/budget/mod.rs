//! Networks within a given memory.
//!
//! Two things can be had for time. Of deployment: Winograd's weights are two to four times as many as those they are made of
//! ([`algorithms`]). Of training: what the backward pass needs of the forward pass can be computed again ([`recompute`]).
//! Deployment gives way first, since a network that is trained is deployed less often than it is stepped.

mod algorithms;
mod recompute;

use crate::diagnostics::{Diagnostic, FileId, Span};
use crate::emit::Planned;
use crate::graph::Graph;
use crate::plan::ParamLayout;

/// Groups of images whose partial sums are added in order: `cnnc_runtime::GROUPS`.
const GROUPS: usize = 8;

/// How much memory a network may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of everything: weights, gradients, and what a pass needs.
    pub bytes: usize,
    /// Images of a pass, at most.
    pub images: usize,
    /// Threads, each with working memory of its own.
    pub threads: usize,
    /// Vectors as long as the trained weights that whoever trains them keeps: momentum, averages.
    pub vectors: usize,
}

/// What a network takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Weights and buffers.
    pub weights: usize,
    /// The gradient of each trained weight.
    pub gradients: usize,
    /// The vectors of the optimizer.
    pub optimizer: usize,
    /// What is made of weights for deployment.
    pub prepared: usize,
    /// The values of all images of a pass.
    pub values: usize,
    /// Values that images share, and partial sums.
    pub shared: usize,
    /// Working memory of the threads.
    pub working: usize,
}

impl Taken {
    /// What a pass takes of as many images on as many threads as a budget is for.
    pub fn of(inference: &Planned, training: Option<&Planned>, budget: &Budget) -> Self {
        let (i, t) = (inference.plan.sizes, training.map(|t| t.plan.sizes).unwrap_or_default());
        let params = ParamLayout::of(&inference.graph);
        let bytes = |floats: usize| floats.saturating_mul(size_of::<f32>());
        let trained = if training.is_some() { bytes(params.trained) } else { 0 };
        Self {
            weights: bytes(params.len),
            gradients: trained,
            optimizer: trained.saturating_mul(budget.vectors),
            prepared: bytes(i.prepared),
            values: bytes(i.arena.max(t.arena)).saturating_mul(budget.images),
            shared: bytes(i.fixed.max(t.fixed) + i.partials.max(t.partials) * GROUPS),
            working: bytes(i.scratch.max(t.scratch)).saturating_mul(budget.threads),
        }
    }

    /// All of it.
    pub fn total(&self) -> usize {
        let Self { weights, gradients, optimizer, prepared, values, shared, working } = *self;
        [weights, gradients, optimizer, prepared, values, shared, working].into_iter().fold(0, usize::saturating_add)
    }
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimizer", self.optimizer),
            ("weights made ready", self.prepared),
            ("values", self.values),
            ("what images share", self.shared),
            ("threads", self.working),
        ];
        let parts = parts.iter().filter(|(_, bytes)| *bytes > 0);
        let parts: Vec<String> = parts.map(|(what, bytes)| format!("{what} {}", in_units(*bytes))).collect();
        f.write_str(&parts.join(", "))
    }
}

impl Budget {
    /// Makes a network fit: `inference` plans deployment of a graph, `training` is as fast as can be. What is returned takes more
    /// than the budget only if nothing takes less.
    pub fn fit(
        &self,
        graph: &Graph,
        inference: impl Fn(Graph) -> Planned,
        training: Option<Planned>,
    ) -> (Planned, Option<Planned>) {
        let taken = |i: &Planned, t: Option<&Planned>| Taken::of(i, t, self);
        let excess = |taken: Taken| taken.total().saturating_sub(self.bytes);
        let mut deployed = inference(graph.clone());
        let mut slower = graph.clone();
        while let over @ 1.. = excess(taken(&deployed, training.as_ref()))
            && algorithms::lighten(&mut slower.tuning.inference, &deployed.graph, over / size_of::<f32>() + 1)
        {
            deployed = inference(slower.clone());
        }
        let training = training.map(|trained| {
            let all = taken(&deployed, Some(&trained));
            match excess(all) {
                0 => trained,
                // What the values of an image may take.
                over => {
                    let values = all.values.saturating_sub(over) / self.images.max(1) / size_of::<f32>();
                    recompute::within(trained, values)
                }
            }
        });
        (deployed, training)
    }

    /// That a network takes more than this at least.
    pub fn exceeded(&self, entry: FileId, graph: &Graph, least: &Taken) -> Diagnostic {
        let whole = Span { file: entry, start: 0, end: 0 };
        let (images, threads) = (counted(self.images, "image"), counted(self.threads, "thread"));
        let title = format!("the net `{}` does not fit into {}", graph.name, in_units(self.bytes));
        Diagnostic::new(whole, title)
            .found(format!("no less than {} for {images} on {threads}: {least}", in_units(least.total())))
            .fits("more memory, or fewer images of a pass")
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
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
        Ok(number) if number > 0.0 && number * unit < 1e18 => Ok((number * unit) as usize),
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
