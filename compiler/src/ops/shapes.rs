//! What a definition says of shapes, held against a call: how many axes there are, and that a name is one size wherever it stands.
//! Formulas are for readers.
//!
//! [`Definition::shapes`](super::Definition::shapes) explains the notation.

use std::collections::HashMap;

use crate::graph::{Kind, Type};

/// Whether operands and values have the shapes that are stated, each name meaning the same wherever it stands.
pub fn fit(stated: &str, operands: &[&Type], values: &[&Type]) -> bool {
    let pattern = stated.split(';').next().unwrap_or_default();
    let Some((before, after)) = pattern.split_once("->") else { return false };
    let mut sizes = Sizes::default();
    sizes.tensors(before, operands) && sizes.tensors(after, values) && sizes.axes_agree()
}

/// How many operands are stated, and whether the last stands for one or more.
pub fn operands(stated: &str) -> (usize, bool) {
    let patterns = parts(stated.split("->").next().unwrap_or_default());
    (patterns.len(), patterns.last().is_some_and(|last| last.ends_with("..")))
}

/// What commas part that stand in no brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, sign) in text.char_indices() {
        match sign {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// What names stand for: the size of a dimension, or those of some axes.
#[derive(Clone, Default)]
struct Sizes<'a>(HashMap<&'a str, Vec<usize>>);

impl<'a> Sizes<'a> {
    fn tensors(&mut self, patterns: &'a str, types: &[&Type]) -> bool {
        let patterns = parts(patterns);
        let (Some(many), count) = (patterns.last().and_then(|last| last.strip_suffix("..")), patterns.len()) else {
            return patterns.len() == types.len() && patterns.iter().zip(types).all(|(p, ty)| self.tensor(p, ty));
        };
        let single = count - 1;
        types.len() >= count
            && patterns[..single].iter().zip(types).all(|(p, ty)| self.tensor(p, ty))
            && types[single..].iter().all(|ty| {
                // Each has sizes of its own, but as many axes.
                let mut own = self.clone();
                own.tensor(many, ty) && own.axes_agree()
            })
    }

    fn tensor(&mut self, pattern: &'a str, ty: &Type) -> bool {
        let Some(label) = pattern.strip_prefix("class(").and_then(|rest| rest.strip_suffix(')')) else {
            return ty.kind == Kind::Float && self.shape(pattern, &ty.shape);
        };
        let (Kind::Class(classes), [first, space @ ..]) = (ty.kind, &parts(label)[..]) else { return false };
        self.dimension(first, classes) && self.shape(space.first().unwrap_or(&"[]"), &ty.shape)
    }

    fn shape(&mut self, pattern: &'a str, shape: &[usize]) -> bool {
        let Some(inner) = pattern.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
        let names = parts(inner);
        let Some(star) = names.iter().position(|name| name.starts_with('*')) else {
            return names.len() == shape.len() && names.iter().zip(shape).all(|(name, n)| self.dimension(name, *n));
        };
        let behind = names.len() - star - 1;
        if shape.len() < star + behind {
            return false;
        }
        let (front, rest) = shape.split_at(star);
        let (axes, back) = rest.split_at(rest.len() - behind);
        names.iter().zip(front).all(|(name, n)| self.dimension(name, *n))
            && self.bind(names[star], axes.to_vec())
            && names[star + 1..].iter().zip(back).all(|(name, n)| self.dimension(name, *n))
    }

    /// A number, a name, or a formula, of which nothing is asked.
    fn dimension(&mut self, name: &'a str, n: usize) -> bool {
        match name.parse::<usize>() {
            Ok(number) => number == n,
            Err(_) if name.contains([' ', '(']) => true,
            Err(_) => self.bind(name, vec![n]),
        }
    }

    fn bind(&mut self, name: &'a str, sizes: Vec<usize>) -> bool {
        *self.0.entry(name).or_insert_with(|| sizes.clone()) == sizes
    }

    /// Whether `*space'` has as many axes as `*space`.
    fn axes_agree(&self) -> bool {
        self.0.iter().all(|(name, axes)| match name.strip_suffix('\'').and_then(|plain| self.0.get(plain)) {
            Some(others) => others.len() == axes.len(),
            None => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(stated: &str, operands: &[&[usize]], values: &[&[usize]]) -> bool {
        let types = |shapes: &[&[usize]]| shapes.iter().map(|shape| Type::batched(*shape)).collect::<Vec<_>>();
        let (operands, values) = (types(operands), types(values));
        fit(stated, &operands.iter().collect::<Vec<_>>(), &values.iter().collect::<Vec<_>>())
    }

    #[test]
    fn names_mean_the_same_everywhere() {
        let window = "[channels, *space] -> [filters, *space']; space' = floor(space / 2)";
        assert!(fits(window, &[&[3, 8, 6]], &[&[5, 4, 3]]));
        assert!(!fits(window, &[&[3, 8, 6]], &[&[5, 4]]), "an axis less");
        assert!(!fits(window, &[&[]], &[&[]]), "no channels");
        assert!(fits("[channels, *space] -> [channels, *space]", &[&[3]], &[&[3]]), "no space");
        assert!(!fits("[channels, *space] -> [channels, *space]", &[&[3, 4]], &[&[3, 5]]));
        assert!(fits("[*rows, inputs] -> [*rows, units]", &[&[4, 7]], &[&[4, 2]]));
        assert!(!fits("[*rows, inputs] -> [*rows, units]", &[&[4, 7]], &[&[2]]));
    }

    #[test]
    fn numbers_formulas_and_many_tensors() {
        assert!(fits("[n, 1 + classes], [n, 4] -> []", &[&[7, 3], &[7, 4]], &[&[]]));
        assert!(!fits("[n, 1 + classes], [n, 4] -> []", &[&[7, 3], &[7, 5]], &[&[]]), "not 4");
        assert!(!fits("[n, 1 + classes], [n, 4] -> []", &[&[7, 3], &[6, 4]], &[&[]]), "not n");
        assert!(fits("[*shape].. -> [*shape']", &[&[3, 2], &[4, 2]], &[&[7, 2]]));
        assert!(!fits("[*shape].. -> [*shape']", &[], &[&[7, 2]]), "none");
        assert!(fits("[*shape] -> [*shape']..", &[&[5, 2]], &[&[3, 2], &[2, 2]]));
        assert!(!fits("[*shape] -> [*shape']..", &[&[5, 2]], &[&[3, 2], &[2]]), "an axis less");
        assert!(fits("-> [*shape]", &[], &[&[5, 2]]));
        assert!(!fits("nothing", &[], &[]));
        assert_eq!((operands("[*a], [*b] -> []"), operands("-> [n]")), ((2, false), (0, false)));
    }

    #[test]
    fn classes_are_labels() {
        let label = |shape: &[usize]| Type { kind: Kind::Class(5), ..Type::batched(shape) };
        let stated = "[classes, *space], class(classes, [*space]) -> []";
        let loss = Type::batched([]);
        assert!(fit(stated, &[&Type::batched([5]), &label(&[])], &[&loss]));
        assert!(fit(stated, &[&Type::batched([5, 8, 8]), &label(&[8, 8])], &[&loss]));
        assert!(!fit(stated, &[&Type::batched([4]), &label(&[])], &[&loss]), "other classes");
        assert!(!fit(stated, &[&Type::batched([5]), &Type::batched([5])], &[&loss]), "no label");
    }
}
