//! A shape seen along a run of its axes: what operators that sum over an axis share.

use proc_macro2::TokenStream;
use quote::quote;
use serde::Serialize;

use super::Call;
use crate::diagnostics::Diagnostic;

/// `[outer, len, inner]`: columns of `len` elements, one for each place outside of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Along {
    /// Columns behind one another.
    pub outer: usize,
    /// Elements of a column.
    pub len: usize,
    /// Columns beside one another: the distance between neighbours in a column.
    pub inner: usize,
}

impl Along {
    /// Along one axis of a shape.
    pub fn axis(shape: &[usize], axis: usize) -> Self {
        Self { outer: shape[..axis].iter().product(), len: shape[axis], inner: shape[axis + 1..].iter().product() }
    }

    /// Calls `f` with the indices of each column of each image.
    pub fn columns(&self, batch: usize, mut f: impl FnMut(&[usize])) {
        for outer in 0..batch * self.outer {
            for inner in 0..self.inner {
                let start = outer * self.len * self.inner + inner;
                let column: Vec<usize> = (0..self.len).map(|i| start + i * self.inner).collect();
                f(&column);
            }
        }
    }

    /// Code for an image from code for columns beside one another, in which `y` and `operands` are theirs.
    pub fn image(&self, operands: &[&str], code: TokenStream) -> TokenStream {
        if self.outer == 1 {
            return code;
        }
        let step = self.len * self.inner;
        let names: Vec<_> = operands.iter().map(|name| quote::format_ident!("{name}")).collect();
        let pattern = names.iter().fold(quote!(y), |all, name| quote!((#all, #name)));
        let chunks = names
            .iter()
            .fold(quote!(y.chunks_exact_mut(#step)), |all, name| quote!(#all.zip(#name.chunks_exact(#step))));
        quote! {
            for #pattern in #chunks {
                #code
            }
        }
    }
}

/// The attribute `axis` of a call on its first operand, which has axes.
pub fn axis(call: &Call<'_>) -> Result<usize, Diagnostic> {
    let last = call.ty(0).shape.len().saturating_sub(1);
    Ok(call.per_axis("axis", 1, 0..=last as i64)?[0])
}
