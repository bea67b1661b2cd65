//! What a trial needs of the host. Cheap, and without asking an engine: nextest lists twice.

use archipelago_lab::engine::Wishes;
use archipelago_lab::engine::service::{on_path, podman_installed};

/// Why this host cannot run a trial.
pub(crate) fn missing(path: &str) -> Option<String> {
    if !podman_installed() && Wishes::from_env().docker_host.is_none() && listening().is_none() {
        return Some("there is no engine here (`cargo lab doctor`)".into());
    }
    if path.starts_with("standin::") || path.contains("stand_in") {
        let missing = ["ssh", "ssh-keygen", "rsync"]
            .into_iter()
            .find(|name| !on_path(name));
        if let Some(missing) = missing {
            return Some(format!(
                "{missing} is not installed, by which stand-ins are reached"
            ));
        }
        if path.starts_with("standin::") && crate::standin::program().is_none() {
            return Some("archipelago is not built: `cargo build --workspace`".into());
        }
    }
    let needs_own_engine = path.starts_with("session::")
        || path.starts_with("interrupted::")
        || path.starts_with("runner::")
        || path.starts_with("bad_image::")
        || path == "standin::the_command_prints_what_finds_it_and_leaves_nothing"
        || path.contains("::no_engine")
        || path.contains("::an_engine_that_lacks_cap_sys_admin");
    if needs_own_engine && let Some(socket) = listening() {
        return Some(format!(
            "an engine listens at {socket}, so the lab starts none of its own"
        ));
    }
    if needs_own_engine && !podman_installed() {
        return Some("podman is not installed, so the lab starts no engine of its own".into());
    }
    if path.contains("cap_sys_admin") && !(Wishes::from_env().root && on_path("setpriv")) {
        return Some("only root can drop a capability, with setpriv".into());
    }
    if path.starts_with("runner::") && !on_path("cargo-nextest") {
        return Some("cargo-nextest is not installed".into());
    }
    None
}

/// A socket of an engine that is not ours.
fn listening() -> Option<String> {
    let wishes = Wishes {
        docker_host: None,
        ..Wishes::from_env()
    };
    wishes
        .sockets()
        .into_iter()
        .map(|endpoint| endpoint.0)
        .find(|endpoint| std::path::Path::new(endpoint.trim_start_matches("unix://")).exists())
}
