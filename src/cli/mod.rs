//! The command line: `archipelago serve` is the daemon, everything else asks a running one and does nothing itself.
//!
//! ```text
//! arguments -> connection.rs -> client -> answer (JSON) --json-> standard output
//!                                            |-> view.rs -> table.rs, operation.rs -> standard output, progress on standard error
//! error.rs -> exit_code.rs
//! ```

mod catalog;
mod colour;
mod connection;
mod error;
mod events;
pub mod exit_code;
mod logs;
mod notifications;
mod operation;
mod output;
mod plan;
mod progress;
mod raw;
mod serve;
mod status;
mod table;
mod time;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde_json::json;

use crate::chain::chain;
use connection::Connection;
pub use error::CliError;

/// Installs, starts, watches, heals, stops and removes packages of podman containers.
#[derive(Parser)]
#[command(version, after_help = exit_code::help())]
struct Cli {
    /// The configuration file: of the daemon, and where its clients look for its address and token.
    #[arg(long, global = true, env = "ARCHIPELAGO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The token; read from `secrets/rpc-token` of the state folder where absent.
    #[arg(
        long,
        global = true,
        env = "ARCHIPELAGO_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
    /// Print the daemon's answer itself, for programs, instead of tables and progress.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon. SIGTERM and SIGINT end it and leave containers running; SIGUSR1 makes it look at once.
    Serve {
        /// What runs the containers. `mock` is a podman in memory: it needs no podman and no root, and touches nothing.
        #[arg(long, value_enum, default_value_t = Engine::Podman)]
        engine: Engine,
        /// How long a pull takes on `mock`, in milliseconds: enough to see its progress, and to cancel it.
        #[arg(long, default_value_t = 5_000, value_name = "MS")]
        mock_pull_ms: u64,
    },
    /// Print a script that makes a shell complete this command's arguments.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the version.
    Version,
    #[command(flatten)]
    Ask(Ask),
}

/// What runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// podman.
    Podman,
    /// A podman in memory.
    Mock,
}

/// What a running daemon is asked.
#[derive(Subcommand)]
enum Ask {
    /// Show the installed packages, or one of them with its containers.
    Status {
        /// The package.
        id: Option<String>,
    },
    /// Show what the health monitor would do now about each container, and why.
    Plan,
    /// Install a package and start it. Ctrl-C cancels a pull.
    Install {
        /// The package, as `archipelago catalog` lists it.
        id: String,
        /// Another image for its main container, with registry and tag.
        #[arg(long, value_name = "REFERENCE")]
        image: Option<String>,
    },
    /// Bring a package to another version; its data stays. What does not come up goes back to what was.
    Update {
        /// The package.
        id: String,
        /// The version; that of the catalog where absent.
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
        /// Another image for its main container, with registry and tag.
        #[arg(long, value_name = "REFERENCE")]
        image: Option<String>,
    },
    /// Start a package.
    Start {
        /// The package.
        id: String,
    },
    /// Stop a package. It stays stopped until it is started.
    Stop {
        /// The package.
        id: String,
    },
    /// Stop a package and start it.
    Restart {
        /// The package.
        id: String,
    },
    /// Stop a package and remove it with its data.
    Uninstall {
        /// The package.
        id: String,
        /// Keep its volumes and secrets: a later install finds them.
        #[arg(long)]
        keep_data: bool,
        /// Also when other packages need it.
        #[arg(long)]
        force: bool,
    },
    /// Make anew what is missing or differs from its manifest: of one package, or of all.
    Reconcile {
        /// The package.
        id: Option<String>,
    },
    /// Show the last log lines of a container, or of all containers of a package.
    Logs {
        /// The container or the package.
        name: String,
        /// How many lines of each container.
        #[arg(
            short = 'n',
            long = "lines",
            default_value_t = 100,
            value_name = "LINES"
        )]
        lines: u32,
    },
    /// List the packages that can be installed.
    Catalog,
    /// Print what happens, as it happens, until Ctrl-C.
    Events,
    /// List the operations under way and the last ones that ended, or show one.
    Operations {
        /// The operation.
        id: Option<u64>,
    },
    /// Cancel an operation. Only a pull can be cancelled.
    Cancel {
        /// The operation, as `archipelago operations` lists it.
        id: u64,
    },
    /// Show what the daemon had to tell.
    Notifications,
    /// Call a method and print its result as JSON.
    Rpc {
        /// As `package.list`.
        method: String,
        /// Parameters: a JSON object.
        #[arg(default_value = "{}")]
        params: String,
    },
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::from(exit_code::SUCCESS),
        Err(error) => {
            eprintln!("archipelago: {}", chain(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Version => output::text(&format!("archipelago {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Completions { shell } => completions(shell),
        Command::Serve {
            engine: Engine::Podman,
            mock_pull_ms: _,
        } => serve::on_podman(cli.config),
        Command::Serve {
            engine: Engine::Mock,
            mock_pull_ms,
        } => serve::on_mock(cli.config, mock_pull_ms),
        Command::Ask(ask) => {
            let connection = Connection::open(cli.config, cli.token, cli.json)?;
            let outcome = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|source| CliError::System {
                    doing: "start the runtime",
                    source,
                })?
                .block_on(ask_daemon(&connection, ask));
            if let (true, Err(CliError::Client(crate::client::ClientError::Failed { error }))) =
                (connection.as_json, &outcome)
            {
                // All of it, for programs; the message alone goes to standard error.
                output::json(error)?;
            }
            outcome
        }
    }
}

async fn ask_daemon(connection: &Connection, ask: Ask) -> Result<(), CliError> {
    match ask {
        Ask::Status { id } => status::status(connection, id.as_deref()).await,
        Ask::Plan => plan::plan(connection).await,
        Ask::Install { id, image } => {
            let mut params = json!({ "id": id });
            if let Some(image) = image {
                params["dockerImage"] = json!(image);
            }
            operation::run(connection, "package.install", params).await
        }
        Ask::Update { id, to, image } => {
            let mut params = json!({ "id": id });
            if let Some(version) = to {
                params["version"] = json!(version);
            }
            if let Some(image) = image {
                params["dockerImage"] = json!(image);
            }
            operation::run(connection, "package.update", params).await
        }
        Ask::Start { id } => operation::run(connection, "package.start", json!({ "id": id })).await,
        Ask::Stop { id } => operation::run(connection, "package.stop", json!({ "id": id })).await,
        Ask::Restart { id } => {
            operation::run(connection, "package.restart", json!({ "id": id })).await
        }
        Ask::Uninstall {
            id,
            keep_data,
            force,
        } => {
            let params = json!({ "id": id, "keepData": keep_data, "force": force });
            operation::run(connection, "package.uninstall", params).await
        }
        Ask::Reconcile { id } => raw::reconcile(connection, id.as_deref()).await,
        Ask::Logs { name, lines } => logs::logs(connection, &name, lines).await,
        Ask::Catalog => catalog::catalog(connection).await,
        Ask::Events => events::events(connection).await,
        Ask::Operations { id } => operation::list(connection, id).await,
        Ask::Cancel { id } => operation::cancel(connection, id).await,
        Ask::Notifications => notifications::notifications(connection).await,
        Ask::Rpc { method, params } => raw::rpc(connection, &method, &params).await,
    }
}

fn completions(shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "archipelago", &mut script);
    output::text(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
