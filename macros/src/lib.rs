//! Networks inside Rust code.
//!
//! ```ignore
//! cnnc_macros::net! {
//!     /// Logistic regression.
//!     net Linear(classes = 10) {
//!         input image: [1, 28, 28]
//!         logits = image |> flatten |> dense(classes)
//!         output probabilities = softmax(logits)
//!         target label: class(classes)
//!         loss cross_entropy(logits, label)
//!     }
//! }
//!
//! let mut net = Linear::new(42);
//! let answer = net.infer(&[0.0; 784]);
//! ```
//!
//! The package that uses it also depends on `cnnc-runtime`, which the expansion calls.

use proc_macro::TokenStream;

/// Compiles a network where it stands.
///
/// - `net! { net Name(...) { ... } }`: the text of a `.net` file. Mistakes are reported at the token.
/// - `net!("specs/lenet5.net", classes = 10)`: a file, relative to the package's folder, with values for the net's
///   parameters. `net = "Name"` picks one of several nets; `infer_only` leaves training code out;
///   `input_gradients` has training compute those of the inputs, too, for `Network::input_gradient`. A change of the file, or of
///   one it uses, triggers a rebuild.
///
/// It expands to the network's type, `Name`, and a module of the same name in lower case that holds everything else.
/// Comments (`//`) do not reach a macro; `///` lines do, and become the type's documentation.
#[proc_macro]
pub fn net(input: TokenStream) -> TokenStream {
    cnnc::expand::expand(input.into()).into()
}
