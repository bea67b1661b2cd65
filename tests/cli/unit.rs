//! The shipped `archipelago.service`, as a text. What systemd makes of it is seen by the scenarios of `service`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use archipelago::catalog::{Catalog, stop_timeout_secs};

const UNIT: &str = include_str!("../../systemd/archipelago.service");

/// Its settings; none is set twice.
fn settings() -> BTreeMap<&'static str, &'static str> {
    let mut settings = BTreeMap::new();
    for line in UNIT.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            assert_eq!(settings.insert(key, value), None, "{key} is set twice");
        }
    }
    settings
}

fn seconds(key: &str) -> Duration {
    let text = settings()[key];
    Duration::from_secs(text.parse().unwrap_or_else(|_| panic!("{key}={text}")))
}

#[test]
fn its_time_outs_exceed_the_longest_grace() {
    let catalog = Catalog::load(Path::new("/nonexistent"));
    let of_manifests = catalog
        .manifests()
        .flat_map(|manifest| &manifest.containers)
        .map(|container| (container.name.clone(), container.stop_grace()));
    // Names of every class that there is, for manifests of the machine's own.
    let of_classes = [
        "bitcoin-core",
        "lnd",
        "electrs",
        "electrumx",
        "my-db",
        "app",
    ]
    .map(|name| {
        (
            name.to_owned(),
            Duration::from_secs(stop_timeout_secs(name)),
        )
    });
    for (name, grace) in of_manifests.chain(of_classes) {
        for key in ["TimeoutStartSec", "TimeoutStopSec"] {
            assert!(seconds(key) > grace, "{key} cuts off `{name}`: {grace:?}");
        }
    }
    assert!(
        seconds("TimeoutAbortSec") < seconds("WatchdogSec"),
        "a stuck daemon is waited for"
    );
}

#[test]
fn a_stop_leaves_containers_and_a_failure_is_restarted() {
    let settings = settings();
    for (key, value) in [
        ("Type", "notify"),
        ("KillMode", "process"),
        ("OOMPolicy", "continue"),
        ("Restart", "always"),
        ("StartLimitIntervalSec", "0"),
        ("StateDirectory", "archipelago"),
        ("StateDirectoryMode", "0700"),
    ] {
        assert_eq!(settings.get(key), Some(&value), "{key}");
    }
    let config = archipelago::cli::exit_code::CONFIG.to_string();
    assert_eq!(settings["RestartPreventExitStatus"], config);
}

/// Settings that give a service a mount namespace, or that its children inherit for good (systemd.exec(5)).
const KEPT_OUT: [&str; 14] = [
    "Protect",
    "Private",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "InaccessiblePaths",
    "TemporaryFileSystem",
    "BindPaths",
    "RootDirectory",
    "MountFlags",
    "NoNewPrivileges",
    "SystemCall",
    "Restrict",
    "LockPersonality",
    "MemoryDenyWriteExecute",
];

#[test]
fn nothing_of_its_sandbox_reaches_containers() {
    for key in settings().keys() {
        // Not of the sandbox: it says of which exit codes a service is not restarted.
        if *key == "RestartPreventExitStatus" {
            continue;
        }
        let kept_out = KEPT_OUT.iter().find(|start| key.starts_with(**start));
        assert_eq!(kept_out, None, "{key} would reach containers");
    }
}
