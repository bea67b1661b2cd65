//! The `lab` command: see [`cli`].

mod cli;

fn main() -> std::process::ExitCode {
    archipelago_lab::init();
    cli::main()
}
