//! Built networks.
//!
//! `train`, `eval`, `predict`, `run`, `bench` and `tune` need the network as a program: the emitted crate and five lines of `main`. It is kept
//! in a cache folder under a name that has its digest in it, so it is built once.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use super::arguments::NetOptions;
use super::spec::{self, Named};
use super::{Failed, write};
use crate::compile::Compiled;

/// What kind of program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Build {
    /// Without training code.
    pub infer_only: bool,
    /// With gradients of the inputs.
    pub gradients: bool,
    /// With times of the steps.
    pub profile: bool,
    /// Without a word about it: whoever builds many says so.
    pub quiet: bool,
}

/// Builds the program of a network, if it is not there yet, and returns its path.
pub fn program(named: &Named, compiled: &Compiled, net: &NetOptions, build: Build) -> Result<PathBuf, Failed> {
    let mut options = named.crate_options(compiled, net, build.infer_only, build.gradients);
    options.digest ^= u64::from(build.profile);
    options.features = vec!["harness"];
    let emitted = if build.profile { compiled.emit_profiled() } else { compiled.emit() };
    let root = root()?;
    let _alone = alone(&root)?;
    let key = format!("{}-{:016x}", emitted.module_name, options.digest);
    let folder = root.join("crates").join(&key);
    // Packages of different specs must not share a file name in the target folder.
    let package = format!("net-{key}");
    let library = emitted.module_name.clone();
    let main = main(&library, &emitted.type_name);
    let mut files: Vec<(String, String)> =
        emitted.files(&options).into_iter().map(|file| (file.path.to_owned(), file.text)).collect();
    files[0].1 = manifest(&files[0].1, &library, &package);
    files.push(("src/main.rs".to_owned(), main));
    if !same(&folder, &files) {
        write::folder(&folder, &files, true)?;
    }
    lock(&folder)?;
    let target = target(&root);
    let program = target.join("release").join(format!("{package}{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() && !build.quiet {
        announce(&compiled.graph.name, &program, &folder);
    }
    let (start, before) = (Instant::now(), built_at(&program));
    run_cargo(&folder, &target, &compiled.graph.name, build.quiet)?;
    if built_at(&program) != before && !build.quiet {
        // Whoever cannot read this does not miss it.
        let _ =
            writeln!(std::io::stderr(), "compiled {} in {:.1} s", compiled.graph.name, start.elapsed().as_secs_f64());
    }
    Ok(program)
}

/// When a program was built; `None` where there is none.
fn built_at(program: &Path) -> Option<SystemTime> {
    program.metadata().and_then(|about| about.modified()).ok()
}

/// Waits until no other process writes and builds in the cache; to be kept as long as this one does.
fn alone(root: &Path) -> Result<File, Failed> {
    let failed = |e| Failed::machine(format!("cannot write into the cache `{}`: {e}", root.display()));
    std::fs::create_dir_all(root).map_err(failed)?;
    let file = File::create(root.join("lock")).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// Says what takes a while, that it is done once, and where the result is.
fn announce(name: &str, program: &Path, folder: &Path) {
    let (program, folder) = (program.display(), folder.display());
    // Where this cannot be written, nobody waits for it.
    let _ = writeln!(
        std::io::stderr(),
        "compiling {name}, once: its program is kept as `{program}`, its code in `{folder}`"
    );
}

/// The cache folder: `CNNC_CACHE`, else in the checkout's target folder, else in the user's cache.
fn root() -> Result<PathBuf, Failed> {
    if let Some(folder) = std::env::var_os("CNNC_CACHE").filter(|v| !v.is_empty()) {
        return Ok(PathBuf::from(folder));
    }
    if let Some(root) = spec::checkout() {
        return Ok(root.join("target").join("cnnc"));
    }
    let home = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache =
        home("XDG_CACHE_HOME").or_else(|| home("HOME").map(|h| h.join(".cache"))).or_else(|| home("LOCALAPPDATA"));
    cache
        .map(|c| c.join("cnnc"))
        .ok_or_else(|| Failed::machine("there is no place for built networks: set CNNC_CACHE to a folder"))
}

/// Where cargo builds. In a checkout that is its own target folder: what `cargo run --release` has built there serves again.
fn target(root: &Path) -> PathBuf {
    match (std::env::var_os("CNNC_CACHE"), spec::checkout()) {
        (None, Some(checkout)) => {
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout.join("target"), PathBuf::from)
        }
        _ => root.join("target"),
    }
}

fn manifest(text: &str, library: &str, package: &str) -> String {
    let text = text.replace(&format!("name = \"{library}\""), &format!("name = \"{package}\""));
    let text = text.replace("features = [\"harness\"]", "default-features = false, features = [\"harness\"]");
    format!("{text}\n[lib]\nname = \"{library}\"\n\n[profile.release]\ndebug = false\n")
}

fn main(library: &str, type_name: &str) -> String {
    format!(
        "//! Runs the network on a job of `cnnc`.\n\nfn main() -> std::process::ExitCode {{\n    \
         cnnc_runtime::harness::main(&|options| Ok(Box::new({library}::{type_name}::with_options(options))))\n}}\n"
    )
}

fn same(folder: &Path, files: &[(String, String)]) -> bool {
    files.iter().all(|(name, text)| std::fs::read_to_string(folder.join(name)).is_ok_and(|old| old == *text))
}

/// The versions of dependencies are those of the checkout: nothing new is resolved or downloaded.
fn lock(folder: &Path) -> Result<(), Failed> {
    let to = folder.join("Cargo.lock");
    let Some(from) = spec::checkout().map(|root| root.join("Cargo.lock")).filter(|p| p.is_file()) else {
        return Ok(());
    };
    if to.exists() {
        return Ok(());
    }
    std::fs::copy(&from, &to).map(|_| ()).map_err(|e| Failed::machine(format!("cannot write `{}`: {e}", to.display())))
}

fn run_cargo(folder: &Path, target: &Path, name: &str, quiet: bool) -> Result<(), Failed> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let show = std::io::stderr().is_terminal() && !quiet;
    if show {
        let _ = write!(std::io::stderr(), "compiling {name} ...");
    }
    let output = Command::new(&cargo)
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", target)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| {
            Failed::machine(format!(
                "cannot start cargo to build {name}: {e}\nfits: a Rust toolchain on the PATH (https://rustup.rs)"
            ))
        })?;
    if show {
        let _ = write!(std::io::stderr(), "\r\u{1b}[K");
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failed::machine(format!("cargo could not build {name} in `{}`:\n{said}", folder.display())));
    }
    Ok(())
}
