//! Stand-in until the real one is merged.

/// The instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa;

impl Isa {
    /// The best one of this machine.
    pub fn detect() -> Self {
        Self
    }

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        (name == "portable").then_some(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        "portable"
    }
}
