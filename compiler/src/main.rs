//! The `cnnc` command.

fn main() -> std::process::ExitCode {
    cnnc::cli::main()
}
