//! Finding and compiling what the user names.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use super::arguments::{NetOptions, Which};
use super::recipe::blame;
use super::{Failed, color, write};
use crate::budget::Budget;
use crate::compile::{self, Compiled, Failure, Options};
use crate::diagnostics::{SourceMap, nearest};
use crate::elaborate::{self, Loader as _};
use crate::emit::{CrateOptions, Runtime};
use crate::graph::Graph;
use crate::loader::{Files, Network};
use crate::tuning::{self, Tuning};

/// Specs that ship inside the command, so that an installed one has them, too.
const SHIPPED: &[(&str, &str)] = &[("lenet5", include_str!("../../../specs/lenet5.net"))];

/// A spec that was found.
#[derive(Debug)]
pub struct Named {
    /// As shown.
    path: PathBuf,
    text: String,
    /// The net of the file that goes by this name; the one the file is about where it is not said.
    net: Option<String>,
    /// The recipe that names it, and its text: some mistakes are about what that says.
    recipe: Option<(PathBuf, String)>,
}

impl Named {
    /// By path, or by bare name among those that ship.
    pub fn find(name: &str) -> Result<Self, Failed> {
        let path = Path::new(name);
        let bare = path.components().count() == 1 && path.extension().is_none();
        if bare && !path.exists() {
            return Self::shipped(name);
        }
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            return Err(Failed::input(format!(
                "`{name}` is a recipe, not a network\nfits: the `.net` file that it names"
            )));
        }
        let text = Files
            .read(path)
            .map_err(|why| Failed::Input(format!("cannot read the spec `{name}`: {why}{}", write::similar(path))))?;
        Ok(Self { path: path.to_owned(), text, net: None, recipe: None })
    }

    fn shipped(name: &str) -> Result<Self, Failed> {
        // A file of that name saves looking into all others for variants.
        let own = specs().and_then(|folder| {
            let paths = [folder.clone(), folder.join("zoo")].map(|folder| folder.join(format!("{name}.net")));
            paths.into_iter().find(|path| path.is_file())
        });
        let networks = if own.is_some() { Vec::new() } else { networks() };
        let variant = || networks.iter().find(|n| n.name == name).map(|n| (n.path.clone(), n.net.clone()));
        if let Some((path, net)) = own.map(|path| (path, None)).or_else(variant) {
            let text =
                Files.read(&path).map_err(|why| Failed::input(format!("cannot read `{}`: {why}", path.display())))?;
            return Ok(Self { path, text, net, recipe: None });
        }
        if let Some((_, text)) = SHIPPED.iter().find(|(n, _)| *n == name) {
            return Ok(Self {
                path: PathBuf::from(format!("{name}.net")),
                text: (*text).to_owned(),
                net: None,
                recipe: None,
            });
        }
        let mut known: Vec<String> = networks.into_iter().map(|network| network.name).collect();
        known.extend(SHIPPED.iter().map(|(name, _)| (*name).to_owned()));
        known.sort();
        known.dedup();
        let near = nearest(name, known.iter().map(String::as_str))
            .map_or(String::new(), |n| format!("\nhelp: did you mean `{n}`?"));
        Err(Failed::Input(format!(
            "there is no spec `{name}`\nfits: a path such as `./{name}.net`, or one that ships: {}{near}",
            known.join(", ")
        )))
    }

    /// Checks and elaborates.
    pub fn elaborate(&self, net: &NetOptions) -> Result<Graph, Failed> {
        let (sources, entry) = self.sources();
        let options = self.options(net, false, false);
        compile::elaborate(sources, &Files, entry, &options)
            .map(|(_, graph)| graph)
            .map_err(|failure| self.rendered(failure))
    }

    /// Compiles.
    pub fn compile(&self, net: &NetOptions, infer_only: bool, input_gradients: bool) -> Result<Compiled, Failed> {
        let (sources, entry) = self.sources();
        let options = self.options(net, infer_only, input_gradients);
        let compiled = compile::compile(sources, &Files, entry, &options).map_err(|failure| self.rendered(failure))?;
        if let Some(note) = compiled.note(&options.elaborate) {
            // A note that cannot be written is no reason to stop.
            let _ = writeln!(std::io::stderr(), "note: {note}");
        }
        Ok(compiled)
    }

    /// The same, named by a recipe.
    pub fn asked_by(self, recipe: &Path, text: &str) -> Self {
        Self { recipe: Some((recipe.to_owned(), text.to_owned())), ..self }
    }

    fn rendered(&self, mut failure: Failure) -> Failed {
        if let Some((path, text)) = &self.recipe {
            blame(&mut failure, path, text);
        }
        Failed::Input(failure.render(color(std::io::stderr().is_terminal())))
    }

    /// Where its plan file is, if there is one.
    pub fn plan(&self, which: &Which) -> PathBuf {
        tuning::path(&self.path, self.net(which).as_deref())
    }

    /// The net that is asked for, or goes by the name that was given.
    fn net(&self, which: &Which) -> Option<String> {
        which.net.clone().or_else(|| self.net.clone())
    }

    fn options(&self, net: &NetOptions, infer_only: bool, input_gradients: bool) -> Options {
        let (set, freeze) = (net.which.set.clone(), net.freeze.clone());
        let elaborate = elaborate::Options { net: self.net(&net.which), set, freeze };
        let tuning = net.tuning.clone().or_else(|| net.untuned.then(Tuning::default));
        let NetOptions { exact, half, budget, .. } = *net;
        Options { elaborate, infer_only, input_gradients, exact, half, tuning, budget }
    }

    /// Says that the spec has changed, for cargo to build again what is made of it: it does not watch for plan files that
    /// are not there yet.
    pub fn touch(&self) {
        if let Ok(file) = std::fs::File::options().append(true).open(&self.path) {
            let _ = file.set_modified(std::time::SystemTime::now());
        }
    }

    fn sources(&self) -> (SourceMap, crate::diagnostics::FileId) {
        let mut sources = SourceMap::default();
        let entry = sources.add(&self.path, self.text.clone());
        (sources, entry)
    }

    /// What the header and the manifest of an emitted crate say.
    pub fn crate_options(
        &self,
        compiled: &Compiled,
        net: &NetOptions,
        infer_only: bool,
        gradients: bool,
    ) -> CrateOptions {
        let mut said: Vec<String> = net.which.set.iter().map(|(name, value)| format!("--set {name}={value}")).collect();
        said.extend(self.net(&net.which).iter().map(|name| format!("--net {name}")));
        said.extend(net.exact.then(|| "--exact".to_owned()));
        said.extend(net.untuned.then(|| "--untuned".to_owned()));
        said.extend(infer_only.then(|| "--infer-only".to_owned()));
        let within = |Budget { bytes, images, .. }: Budget| format!("--memory {bytes} --batch {images}");
        said.extend(net.budget.map(within));
        let file = self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        CrateOptions {
            spec: file,
            options: said.join(" "),
            digest: compiled.digest(&self.options(net, infer_only, gradients)),
            runtime: runtime(),
            features: Vec::new(),
        }
    }
}

/// The checkout that this command was built from, if it is still there.
pub fn checkout() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    root.join("runtime").join("Cargo.toml").is_file().then(|| root.to_owned())
}

/// Where emitted crates find the runtime: in the checkout, else on the registry.
pub fn runtime() -> Runtime {
    checkout().map_or(Runtime::Version, |root| Runtime::Path(root.join("runtime")))
}

/// The folder of the networks of the checkout.
fn specs() -> Option<PathBuf> {
    checkout().map(|root| root.join("specs"))
}

/// The networks of the checkout, those whose weights others published last.
fn networks() -> Vec<Network> {
    let folders = specs().into_iter().flat_map(|folder| [folder.clone(), folder.join("zoo")]);
    folders.flat_map(|folder| crate::loader::networks(&folder)).collect()
}
