//! What programs promise of their results.

use crate::{Common, Result, Table};

/// A result beside the bound that it must keep.
pub struct Bound {
    what: String,
    seen: f64,
    limit: Limit,
}

enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// A result that is to be this high.
pub fn at_least(what: &str, seen: f64, limit: f64) -> Bound {
    Bound { what: what.to_owned(), seen, limit: Limit::AtLeast(limit) }
}

/// A result that is to be this low.
pub fn at_most(what: &str, seen: f64, limit: f64) -> Bound {
    Bound { what: what.to_owned(), seen, limit: Limit::AtMost(limit) }
}

impl Common {
    /// Shows results beside their bounds, and fails where one is not kept. A small run promises nothing.
    pub fn check(&self, bounds: &[Bound]) -> Result<()> {
        if self.small {
            return Ok(());
        }
        let mut table = Table::new(&["result", "seen", "bound"]);
        for bound in bounds {
            table.row(&[&bound.what, &number(bound.seen), &bound.limit()]);
        }
        say!("\n{}", table.to_string().trim_end());
        let broken: Vec<String> = bounds.iter().filter(|bound| !bound.holds()).map(Bound::complaint).collect();
        if broken.is_empty() { Ok(()) } else { Err(broken.join("; ").into()) }
    }
}

impl Bound {
    /// No number keeps no bound.
    fn holds(&self) -> bool {
        match self.limit {
            Limit::AtLeast(limit) => self.seen >= limit,
            Limit::AtMost(limit) => self.seen <= limit,
        }
    }

    fn limit(&self) -> String {
        match self.limit {
            Limit::AtLeast(limit) => format!("at least {}", number(limit)),
            Limit::AtMost(limit) => format!("at most {}", number(limit)),
        }
    }

    fn complaint(&self) -> String {
        // Not rounded, which could make the bound of it.
        format!("{} is {}, but should be {}", self.what, self.seen, self.limit())
    }
}

/// Three places, or two digits of what is smaller than these.
fn number(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-3 { format!("{x:.1e}") } else { ((x * 1e3).round() / 1e3).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(small: bool) -> Common {
        Common { data: None, out: "runs".into(), small, seed: 1 }
    }

    #[test]
    fn results_outside_of_their_bounds_are_mistakes() {
        let kept = [at_least("right, %", 97.2, 97.0), at_most("error", 1.1e-5, 1e-4), at_most("share", 0.2, 0.2)];
        assert!(common(false).check(&kept).is_ok());
        let broken = [at_least("right, %", 96.99, 97.0), at_most("error", f64::NAN, 1e-4), at_least("gain", 2.0, 1.0)];
        let error = common(false).check(&broken).expect_err("two are broken").to_string();
        assert_eq!(error, "right, % is 96.99, but should be at least 97; error is NaN, but should be at most 1.0e-4");
        assert!(common(true).check(&broken).is_ok());
    }
}
