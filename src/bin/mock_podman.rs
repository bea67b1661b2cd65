//! The `mock-podman` command: stands on `PATH` as `podman` where scripts are tested without one.

fn main() -> std::process::ExitCode {
    archipelago::container::mock_podman::program::main()
}
