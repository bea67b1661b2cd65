//! `serve --engine mock`: everything but podman is real.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Ground;
use crate::cli::CliError;
use crate::cli::connection::callable;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::container::mock_podman::MockPodman;
use crate::container::podman::PodmanVersion;
use crate::host::{Host, OwnProcess, ProcessIdentity, RealHost};

/// A podman in memory, whose time is this machine's. State lies in a folder that goes with the daemon, unless a
/// `state_dir` is configured.
///
/// The configuration of this machine's daemon is not read: its state must not meet a podman that has none of its
/// containers.
pub(super) fn ground(file: Option<PathBuf>, pull_ms: u64) -> Result<Ground, CliError> {
    let mut config = match file {
        Some(file) => config::load(Some(file))?,
        None => config::from_environment()?,
    };
    let folder = if config.state_dir == Config::default().state_dir {
        let folder = tempfile::Builder::new()
            .prefix("archipelago-mock-")
            .tempdir()
            .map_err(|source| CliError::System {
                doing: "make a temporary folder",
                source,
            })?;
        config.state_dir = folder.path().join("state");
        Some(folder)
    } else {
        None
    };
    let podman = MockPodman::with_version_and_time(PodmanVersion::new(5, 4, 2), SystemClock.now());
    podman.pull_delay_ms(pull_ms);
    Ok(Ground {
        config,
        executor: Arc::new(podman),
        host: Arc::new(Machine),
        folder,
    })
}

/// This machine, but for the processes of containers, which are not there.
struct Machine;

impl Host for Machine {
    fn boot_id(&self) -> String {
        RealHost.boot_id()
    }

    fn own_process(&self) -> OwnProcess {
        RealHost.own_process()
    }

    fn is_alive(&self, process: &ProcessIdentity) -> bool {
        RealHost.is_alive(process)
    }

    fn pid_exists(&self, _pid: u32) -> bool {
        true
    }
}

/// What is told to whoever tries it.
pub(super) fn welcome(address: SocketAddr, token: &str, folder: Option<&Path>) -> String {
    let end = match folder {
        Some(folder) => format!("Ctrl-C ends it and removes `{}`.", folder.display()),
        None => "Ctrl-C ends it; its state stays, its containers do not.".to_owned(),
    };
    let address = callable(address);
    format!(
        "\
archipelago {version} on a podman in memory: nothing of this machine is touched.

  status page   http://{address}/#token={token}
  command line  export ARCHIPELAGO_LISTEN={address} ARCHIPELAGO_TOKEN={token}
                archipelago install filebrowser

{end}
",
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_in_is_told_with_an_address_that_can_be_called() {
        let text = welcome("0.0.0.0:80".parse().expect("an address"), "abc", None);
        assert!(text.contains("http://127.0.0.1:80/#token=abc\n"), "{text}");
        assert!(
            text.contains("ARCHIPELAGO_LISTEN=127.0.0.1:80 ARCHIPELAGO_TOKEN=abc\n"),
            "{text}"
        );
        assert!(text.contains("its state stays"), "{text}");
    }
}
