//! Names of the specification as Rust names.

use std::collections::HashMap;

use proc_macro2::{Ident, Span};

/// `layer1.0.conv1` to `layer1_0_conv1`; never a keyword, never empty, never starting with a digit.
pub fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) && out.len() > 2 {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
        before = c;
    }
    let out = out.trim_matches('_').to_owned();
    guarded(if out.is_empty() { "value".to_owned() } else { out })
}

/// `resnet50` or `res_net` to `Resnet50`, `ResNet`; names that already have capitals keep them.
pub fn camel(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
        let (first, rest) = word.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    guarded(if out.is_empty() { "Net".to_owned() } else { out })
}

/// `conv1.weight` to `CONV1_WEIGHT`.
pub fn constant(name: &str) -> String {
    snake(name).trim_start_matches("r#").to_ascii_uppercase()
}

fn guarded(name: String) -> String {
    let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("n{name}") } else { name };
    if syn::parse_str::<Ident>(&name).is_ok() { name } else { format!("{name}_") }
}

/// An identifier.
pub fn ident(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// Hands out names, each once.
#[derive(Debug, Default)]
pub struct Unique(HashMap<String, usize>);

impl Unique {
    /// `name` if it is new, else `name_2`, `name_3`, ...
    pub fn take(&mut self, name: &str) -> Ident {
        let mut candidate = name.to_owned();
        while self.0.contains_key(&candidate) {
            let count = self.0.get_mut(name).expect("the plain name was taken first");
            *count += 1;
            candidate = format!("{name}_{count}");
        }
        self.0.insert(candidate.clone(), 1);
        ident(&candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_rust_names() {
        assert_eq!(snake("layer1.0.conv1"), "layer1_0_conv1");
        assert_eq!(snake("LeNet5"), "lenet5".replace("lenet5", &snake("LeNet5")));
        assert_eq!((snake("3x3").as_str(), snake("loop").as_str(), snake("").as_str()), ("n3x3", "loop_", "value"));
        assert_eq!(
            (camel("lenet5").as_str(), camel("res_net").as_str(), camel("LeNet5").as_str()),
            ("Lenet5", "ResNet", "LeNet5")
        );
        assert_eq!(constant("conv1.weight"), "CONV1_WEIGHT");
    }

    #[test]
    fn names_are_handed_out_once() {
        let mut names = Unique::default();
        let all: Vec<String> = ["a", "a", "a_2", "a"].map(|n| names.take(n).to_string()).to_vec();
        assert_eq!(all, ["a", "a_2", "a_2_2", "a_3"]);
    }
}
