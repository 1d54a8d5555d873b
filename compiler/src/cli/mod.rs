//! The command: arguments, exit codes, and who does what.
//!
//! Exit codes: 0 done; 1 what the user gave is wrong (a specification, a recipe, weights, data); 2 the command line is
//! wrong; 3 the machine is at fault (no cargo, no disk).

mod anchors;
mod arguments;
mod augment;
mod cache;
mod graph;
mod jobs;
mod operators;
mod recipe;
mod spec;
mod summary;
mod texts;
mod tune;
mod write;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::budget::{Taken, in_units};
use crate::compile::Compiled;
use crate::syntax;
use arguments::{Arguments, Build, Check, Command, Dump, Fmt, NetOptions, New, SummaryArguments};
use spec::Named;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// What the user gave is wrong: exit code 1.
    Input(String),
    /// The machine is at fault: exit code 3.
    Machine(String),
    /// A program that was started has said why: its exit code.
    Said(u8),
}

impl Failed {
    /// Bad input, with what would fit.
    pub(crate) fn input(text: impl Into<String>) -> Self {
        Self::Input(text.into())
    }

    /// Something about a file or the system.
    pub(crate) fn machine(text: impl Into<String>) -> Self {
        Self::Machine(text.into())
    }
}

type Done = Result<(), Failed>;

/// Whether to use colours on a stream that is (or is not) a terminal.
fn color(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Runs the command with the arguments of the process.
pub fn main() -> ExitCode {
    let code = match run(Arguments::parse()) {
        Ok(()) => 0,
        Err(Failed::Said(code)) => code,
        Err(Failed::Input(text)) => complain(&text, 1),
        Err(Failed::Machine(text)) => complain(&text, 3),
    };
    ExitCode::from(code)
}

fn complain(text: &str, code: u8) -> u8 {
    let text = text.trim_end();
    let prefix =
        if text.contains("error:") || text.contains("error[") || text.contains("\u{1b}[") { "" } else { "error: " };
    // Nothing is left to do where even this cannot be written.
    let _ = writeln!(std::io::stderr(), "{prefix}{text}");
    code
}

/// Prints to standard output; a reader that has gone away (`cnnc summary | head`) is no failure.
fn print(text: &str) -> Done {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failed::machine(format!("cannot write: {e}"))),
        _ => Ok(()),
    }
}

fn run(arguments: Arguments) -> Done {
    match arguments.command {
        Command::New(new) => new_project(&new),
        Command::Check(check) => check_specs(&check),
        Command::Fmt(fmt) => format_files(&fmt),
        Command::Summary(summary) => summarise(&summary),
        Command::Graph(arguments) => graph::graph(&arguments),
        Command::Build(build) => build_crate(&build),
        Command::Dump(dump) => dump_graph(&dump),
        Command::Train(train) => jobs::train(&train),
        Command::Augment(arguments) => augment::augment(&arguments),
        Command::Anchors(arguments) => anchors::find(&arguments),
        Command::Eval(eval) => jobs::eval(&eval),
        Command::Predict(predict) => jobs::predict(&predict),
        Command::Run(run) => jobs::run(&run),
        Command::Bench(bench) => jobs::bench(&bench),
        Command::Tune(arguments) => tune::tune(&arguments),
        Command::Operators(arguments) if arguments.markdown => print(&operators::markdown()),
        Command::Operators(arguments) => print(&operators::reference(arguments.name.as_deref(), arguments.json)?),
    }
}

fn new_project(new: &New) -> Done {
    let name = new.folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let fits = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !fits {
        return Err(Failed::input(format!(
            "`{name}` cannot be the name of a project\nfits: letters, digits, `_` and `-`, a letter first"
        )));
    }
    if new.folder.exists() {
        return Err(Failed::input(format!("`{}` exists already", new.folder.display())));
    }
    let files: Vec<(String, String)> =
        texts::starter(&name).into_iter().map(|(path, text)| (path, text.replace("{name}", &name))).collect();
    write::folder(&new.folder, &files, false)?;
    print(&format!(
        "made {0}\n\n  cnnc summary {0}/{1}.net       what it is made of\n  cnnc train {0}/{1}.yaml        let it learn\n",
        new.folder.display(),
        name
    ))
}

fn check_specs(check: &Check) -> Done {
    let mut wrong = 0;
    for name in &check.specs {
        match Named::find(name).and_then(|named| named.compile(&check.options, false, false)) {
            Ok(_) => print(&format!("{name}: ok\n"))?,
            Err(Failed::Input(text)) => {
                complain(&text, 1);
                wrong += 1;
            }
            Err(other) => return Err(other),
        }
    }
    if wrong == 0 { Ok(()) } else { Err(Failed::Said(1)) }
}

fn format_files(fmt: &Fmt) -> Done {
    let mut changed = Vec::new();
    for path in &fmt.files {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|e| Failed::input(format!("cannot read standard input: {e}")))?;
            print(&formatted("standard input", &text)?)?;
            continue;
        }
        let text = write::read_text(path)?;
        let new = formatted(&path.display().to_string(), &text)?;
        if new != text {
            changed.push(path.display().to_string());
            if !fmt.check {
                write::file(path, new.as_bytes())?;
            }
        }
    }
    match changed.is_empty() || !fmt.check {
        true => Ok(()),
        false => Err(Failed::input(format!(
            "not in the one style: {}\nfits: what `cnnc fmt {}` makes of it",
            changed.join(", "),
            changed.join(" ")
        ))),
    }
}

fn formatted(name: &str, text: &str) -> Result<String, Failed> {
    syntax::format(name, text).map_err(|(sources, mistakes)| {
        Failed::Input(crate::diagnostics::render(&sources, &mistakes, color(std::io::stderr().is_terminal())))
    })
}

fn summarise(arguments: &SummaryArguments) -> Done {
    // Never freed: the process ends, and giving back each node of a large network takes a tenth of the time.
    let net = arguments.room.of(&arguments.options);
    let compiled =
        std::mem::ManuallyDrop::new(Named::find(&arguments.spec)?.compile(&net, arguments.infer_only, false)?);
    let summary = summary::Summary::of(&compiled);
    print(&match (arguments.json, arguments.weights) {
        (true, _) => summary.json() + "\n",
        (false, true) => summary.weights(),
        (false, false) => summary.table() + &taken(&compiled, &net),
    })
}

/// What a network takes of the memory that it is to keep to, if that was said.
fn taken(compiled: &Compiled, net: &NetOptions) -> String {
    let Some(budget) = &net.budget else { return String::new() };
    let taken = Taken::of(&compiled.inference, compiled.training.as_ref(), budget);
    let (total, most) = (in_units(taken.total()), in_units(budget.bytes));
    format!("memory      {total} of {most} for {}: {taken}\n", budget.said())
}

fn build_crate(build: &Build) -> Done {
    let (named, net) = (Named::find(&build.spec)?, build.room.of(&build.options));
    // Never freed, as above.
    let compiled = std::mem::ManuallyDrop::new(named.compile(&net, build.infer_only, false)?);
    let options = named.crate_options(&compiled, &net, build.infer_only, false);
    let emitted = compiled.emit();
    let files: Vec<(String, String)> =
        emitted.files(&options).into_iter().map(|file| (file.path.to_owned(), file.text)).collect();
    write::folder(&build.out, &files, build.force)?;
    let sizes = &compiled.inference.plan.sizes;
    let mut text = format!(
        "wrote {} ({} lines of Rust)\narena for inference: {} per image, {:.1} % above its lower bound\n",
        build.out.display(),
        files.iter().map(|f| f.1.lines().count()).sum::<usize>(),
        in_units(sizes.arena * 4),
        summary::above(sizes),
    );
    if let Some(training) = &compiled.training {
        let sizes = &training.plan.sizes;
        text += &format!(
            "arena for training:  {} per image, {:.1} % above its lower bound\n",
            in_units(sizes.arena * 4),
            summary::above(sizes)
        );
    }
    print(&(text + &taken(&compiled, &net)))
}

fn dump_graph(dump: &Dump) -> Done {
    let named = Named::find(&dump.spec)?;
    let graph = named.elaborate(&dump.options)?;
    let text = crate::dump::dump(&graph, &dump.after, false).map_err(Failed::Input)?;
    print(&text)
}
