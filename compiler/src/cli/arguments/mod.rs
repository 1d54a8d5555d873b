//! The command line.

mod learning;
mod networks;
mod programs;
mod shared;

use clap::{Parser, Subcommand};

pub use learning::{Anchors, Augment, Eval, Predict, Train};
pub use networks::{Build, Check, Dump, Fmt, Graph, New, Operators, SummaryArguments};
pub use programs::{Bench, Run, Tune};
pub use shared::{MachineOptions, NetOptions, Which};

const EXAMPLES: &str = "\
Examples:
  cnnc train specs/lenet5.yaml                         learn to read digits
  cnnc summary lenet5                                  layers, shapes, parameters, MACs
  cnnc graph lenet5 -o lenet5.svg                      draw the network
  cnnc build specs/lenet5.net --out lenet5             write the network as a crate
  cnnc operators conv                                  what one may write, with defaults and an example
  cnnc dump lenet5 --after fuse_activation             look at the graph behind a pass

A spec is named by its path, or, if it ships with cnnc, by its bare name.

train, eval, predict, run, bench and tune compile the network to a program the first time, which
takes a minute or two, and keep it: in the folder that CNNC_CACHE names, else in the target folder
of the checkout, else in the user's cache folder.";

/// A compiler for convolutional networks: `.net` text in, specialised Rust out.
#[derive(Debug, Parser)]
#[command(name = "cnnc", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a folder with a first network and a recipe
    New(New),
    /// Look for mistakes in specs
    Check(Check),
    /// Bring specs into the one style
    Fmt(Fmt),
    /// Show layers, shapes, parameters, MACs and memory
    Summary(SummaryArguments),
    /// Draw the network
    Graph(Graph),
    /// Write the network as a Rust crate
    Build(Build),
    /// Train a network by a recipe
    Train(Train),
    /// Draw a sheet of the pictures of a recipe as they are augmented
    Augment(Augment),
    /// Find typical sizes of the boxes of a recipe, for the spec of a detector
    Anchors(Anchors),
    /// Say how good weights are on data
    Eval(Eval),
    /// Say what pictures show, or find things in them
    Predict(Predict),
    /// Run a network on tensors from a file
    Run(Run),
    /// Measure how fast a network is
    Bench(Bench),
    /// Measure how this machine computes convolutions best, and write a plan file beside the spec
    Tune(Tune),
    /// Show the graph behind a pass, or the plan, as YAML
    Dump(Dump),
    /// List the operators of the language, or explain one
    Operators(Operators),
}
