//! The `archipelago` command.

fn main() -> std::process::ExitCode {
    archipelago::cli::main()
}
