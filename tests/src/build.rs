//! Emitted networks, many in one program, so that hundreds are built in a minute.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use cnnc::compile::Compiled;

use crate::wire::{Numbers, put_count, put_text, take_many};

/// A program that runs any of several networks on what it reads from standard input.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    machine: Machine,
}

/// The machine that programs are for: this one, or that of `CNNC_TEST_TARGET` (a target triple of rustc), whose programs are
/// started by the command in `CNNC_TEST_RUNNER` (an emulator and its arguments).
#[derive(Debug)]
struct Machine {
    target: Option<String>,
    runner: Vec<String>,
}

impl Machine {
    fn of_environment() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let runner = set("CNNC_TEST_RUNNER").unwrap_or_default();
        Self { target: set("CNNC_TEST_TARGET"), runner: runner.split_whitespace().map(str::to_owned).collect() }
    }

    /// The folder of programs in cargo's target folder.
    fn folder(&self, target: &Path) -> PathBuf {
        target.join(self.target.as_deref().unwrap_or("")).join("debug")
    }

    fn start(&self, program: &Path) -> Command {
        let mut words = self.runner.iter().map(std::ffi::OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().expect("the program itself"));
        command.args(words);
        command
    }
}

/// What a network is run on; batched values image after image.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Which network.
    pub network: usize,
    /// Number of images.
    pub count: usize,
    /// Threads.
    pub threads: usize,
    /// Name of the instruction set, or nothing for the best.
    pub isa: String,
    /// Whether answers are sketches of tensors, not all their numbers.
    pub sketched: bool,
    /// Where in the parameter vector each parameter begins, and its numbers.
    pub params: Vec<(usize, Numbers)>,
    /// Inputs.
    pub inputs: Vec<Numbers>,
    /// Targets; classes as floats.
    pub targets: Vec<Numbers>,
}

/// What it says, tensor after tensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Outputs of the inference pass.
    pub outputs: Vec<Vec<f32>>,
    /// The loss, where the network trains, as a tensor.
    pub loss: Vec<f32>,
    /// Gradients of the parameters that were given.
    pub gradients: Vec<Vec<f32>>,
    /// Gradients of inputs, where the network has them.
    pub input_gradients: Vec<Vec<f32>>,
    /// The parameters after the pass of training: running statistics move.
    pub params: Vec<Vec<f32>>,
}

impl Program {
    /// Builds a program of these networks in the target folder of the tests, under a name of its own.
    ///
    /// # Panics
    /// With cargo's output, if the emitted code does not compile without warnings.
    pub fn build(name: &str, networks: &[Compiled]) -> Self {
        let folder = target().join(name);
        std::fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
        let (runtime, shared) = (crate::repository().join("runtime"), shared());
        // Networks are not optimised: that would take ten times as long. The kernels that they call are.
        let manifest = format!(
            "{}\n[dependencies]\ncnnc-runtime = {{ path = {runtime:?} }}\nshared = {{ path = {shared:?} }}\n\n[workspace]\n\n\
             [profile.dev]\nopt-level = 0\ndebug = false\n\n[profile.dev.package.\"*\"]\nopt-level = 3\n",
            package(name)
        );
        write_if_changed(&folder.join("Cargo.toml"), &manifest);
        let lock = crate::repository().join("Cargo.lock");
        if lock.exists() && !folder.join("Cargo.lock").exists() {
            std::fs::copy(lock, folder.join("Cargo.lock")).expect("the target folder can be written");
        }
        // The networks are a library, so that what the runner does not use is not dead code.
        let (mut library, mut table) = (String::new(), String::new());
        for (index, network) in networks.iter().enumerate() {
            let emitted = network.emit();
            let ty = emitted.type_name.clone();
            let path = format!("src/network_{index}.rs");
            write_if_changed(&folder.join(&path), &emitted.inline_text());
            writeln!(library, "pub mod network_{index};").expect("writing to a string");
            writeln!(table, "        {index} => Box::new({name}::network_{index}::{ty}::with_options(options)),")
                .expect("writing to a string");
        }
        let main = include_str!("runner.rs").replace("        // networks\n", &table);
        write_if_changed(&folder.join("src/lib.rs"), &library);
        write_if_changed(&folder.join("src/main.rs"), &main);
        let target = target().join("emitted");
        let machine = Machine::of_environment();
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet"])
            .args(machine.target.iter().map(|triple| format!("--target={triple}")))
            .arg("--manifest-path")
            .arg(folder.join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", "-D warnings")
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { path: machine.folder(&target).join(name), machine }
    }

    /// Runs requests one after another in one process.
    pub fn run(&self, requests: &[Request]) -> Vec<Answer> {
        let mut bytes = Vec::new();
        put_count(&mut bytes, requests.len());
        for request in requests {
            request.write(&mut bytes);
        }
        let mut child = self
            .machine
            .start(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program was just built");
        let mut stdin = child.stdin.take().expect("piped");
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        let mut answers = Vec::new();
        child.stdout.take().expect("piped").read_to_end(&mut answers).expect("its output can be read");
        let status = child.wait().expect("it ends");
        assert!(status.success(), "the emitted program failed: {status}");
        writer.join().expect("the writer ends").expect("its input can be written");
        let mut rest = answers.as_slice();
        requests.iter().map(|_| Answer::read(&mut rest)).collect()
    }
}

/// The package of what runners share with the tests, written once: its folder.
fn shared() -> &'static Path {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    SHARED.get_or_init(write_shared)
}

fn write_shared() -> PathBuf {
    let folder = target().join("shared");
    std::fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
    write_if_changed(&folder.join("Cargo.toml"), &package("shared"));
    write_if_changed(&folder.join("src/lib.rs"), "pub mod sketch;\npub mod wire;\n");
    write_if_changed(&folder.join("src/sketch.rs"), include_str!("sketch.rs"));
    write_if_changed(&folder.join("src/wire.rs"), include_str!("wire.rs"));
    folder
}

fn package(name: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n")
}

/// A folder of the tests' own in the target folder: beside the folder of the running test.
pub fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a running test");
    test.ancestors().nth(3).expect("target/profile/deps/test").join("emitted-tests")
}

fn write_if_changed(path: &Path, text: &str) {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    std::fs::write(path, text).expect("the target folder can be written");
}

impl Request {
    fn write(&self, bytes: &mut Vec<u8>) {
        for count in [self.network, self.count, self.threads] {
            put_count(bytes, count);
        }
        put_text(bytes, &self.isa);
        put_text(bytes, if self.sketched { "sketches" } else { "numbers" });
        put_count(bytes, self.params.len());
        for (start, numbers) in &self.params {
            put_count(bytes, *start);
            numbers.put(bytes);
        }
        for tensors in [&self.inputs, &self.targets] {
            put_count(bytes, tensors.len());
            tensors.iter().for_each(|numbers| numbers.put(bytes));
        }
    }
}

impl Answer {
    fn read(bytes: &mut &[u8]) -> Self {
        let outputs = take_many(bytes);
        let loss = take_many(bytes).concat();
        let [gradients, input_gradients, params] = [(); 3].map(|()| take_many(bytes));
        Self { outputs, loss, gradients, input_gradients, params }
    }
}
