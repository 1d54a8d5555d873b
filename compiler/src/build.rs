//! Networks from build scripts.
//!
//! In the `main` of `build.rs`:
//!
//! ```no_run
//! cnnc::build::Net::new("specs/lenet5.net").set("classes", 10).write();
//! ```
//!
//! ```ignore
//! // src/main.rs
//! mod lenet5 {
//!     include!(concat!(env!("OUT_DIR"), "/lenet5.rs"));
//! }
//! ```

use std::path::{Path, PathBuf};

use crate::budget::Budget;
use crate::compile::{Compiled, Options, compile as compile_net};
use crate::diagnostics::SourceMap;
use crate::elaborate::Loader as _;
use crate::loader::Files;

/// Compiles a spec of the package that is being built; see [`Net`] for more to say.
pub fn compile(path: impl AsRef<Path>) {
    Net::new(path).write();
}

/// A network to be compiled by a build script.
#[derive(Clone, Debug)]
pub struct Net {
    path: PathBuf,
    options: Options,
}

impl Net {
    /// The spec at a path relative to the package's folder.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), options: Options::default() }
    }

    /// A value for a parameter of the net.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.options.elaborate.set.push((name.to_owned(), value.to_string()));
        self
    }

    /// Which net of the file, where it has several.
    #[must_use]
    pub fn net(mut self, name: &str) -> Self {
        self.options.elaborate.net = Some(name.to_owned());
        self
    }

    /// Only algorithms that round as plain sums do: no Winograd.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.options.exact = true;
        self
    }

    /// Plans within so much memory, at the cost of speed.
    #[must_use]
    pub fn memory(mut self, budget: Budget) -> Self {
        self.options.budget = Some(budget);
        self
    }

    /// Leaves all training code out.
    #[must_use]
    pub fn infer_only(mut self) -> Self {
        self.options.infer_only = true;
        self
    }

    /// Writes `$OUT_DIR/NAME.rs`, NAME being the net's in lower case, to be `include!`d in a module, and asks cargo to run
    /// the script again when a file that was read changes. A mistake in the spec ends the script with its explanation.
    pub fn write(&self) {
        let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
        let out = std::env::var_os("OUT_DIR").map(PathBuf::from);
        let Some(out) = out else { fail("`cnnc::build` belongs in a build script: cargo has not set OUT_DIR") };
        let path = package.join(&self.path);
        println!("cargo:rerun-if-changed={}", path.display());
        let compiled = self.compile(&path).unwrap_or_else(|why| fail(&why));
        for (_, read, _) in compiled.sources.files().filter(|(_, read, _)| read.is_file()) {
            println!("cargo:rerun-if-changed={}", read.display());
        }
        if let Some(note) = compiled.note(&self.options.elaborate) {
            println!("cargo:warning={note}");
        }
        let emitted = compiled.emit();
        let to = out.join(format!("{}.rs", emitted.module_name));
        if let Err(e) = std::fs::write(&to, emitted.inline_text()) {
            fail(&format!("cannot write `{}`: {e}", to.display()));
        }
    }

    /// The network, or why there is none.
    fn compile(&self, path: &Path) -> Result<Compiled, String> {
        let text = Files.read(path).map_err(|why| format!("cannot read the spec `{}`: {why}", path.display()))?;
        let mut sources = SourceMap::default();
        let entry = sources.add(path, text);
        compile_net(sources, &Files, entry, &self.options).map_err(|failure| failure.render(false))
    }
}

/// Ends the build script with an explanation, as cargo shows it.
fn fail(why: &str) -> ! {
    eprintln!("\n{}\n", why.trim_end());
    std::process::exit(1)
}
