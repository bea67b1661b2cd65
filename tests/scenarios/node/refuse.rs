//! Which nodes are refused: nothing that a user has may be touched. Pure.

use archipelago::catalog::Manifest;
use serde_json::Value;

use super::inventory::Inventory;
use super::mark::Claim;

/// Why nothing may be done on a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The user has it.
    #[error(
        "`{package}` is installed there already and is somebody's; these tests install and remove a package of that name: uninstall it there, or test on another node"
    )]
    Installed {
        /// The package.
        package: String,
    },
    /// The user kept data of it, or has things of that name.
    #[error("things by the names of `{package}` are there already and are somebody's ({}): remove or rename them, or test on another node", names.join(", "))]
    Taken {
        /// The package.
        package: String,
        /// `volume x`.
        names: Vec<String>,
    },
    /// A restart of the daemon would meddle with these.
    #[error("the daemon is restarted in these tests, and not everything there is at rest: {}. Wait until it is running or stopped", what.join(", "))]
    Unsettled {
        /// What, and how it is.
        what: Vec<String>,
    },
    /// Nobody says what the tests would have to remove.
    #[error("the manifest of `{package}` cannot be read: {why}")]
    Unknown {
        /// The package.
        package: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Refusal {
    pub(crate) fn unknown(package: &str, why: &dyn std::error::Error) -> Self {
        Self::Unknown {
            package: package.to_owned(),
            why: archipelago_lab::chain(why),
        }
    }
}

/// What is not at rest, by `package.list` and `system.health`.
pub(crate) fn unsettled(packages: &Value, health: &Value) -> Result<(), Refusal> {
    let mut what = Vec::new();
    for package in packages.as_array().into_iter().flatten() {
        let state = package["state"].as_str().unwrap_or("nothing known");
        if !matches!(state, "running" | "stopped") {
            let id = package["id"].as_str().unwrap_or("?");
            what.push(format!("`{id}` is {state}"));
        }
    }
    for (package, operation) in health["operations"].as_object().into_iter().flatten() {
        what.push(format!(
            "`{package}`: {} is under way",
            operation.as_str().unwrap_or("?")
        ));
    }
    for package in health["healing"].as_array().into_iter().flatten() {
        what.push(format!("{package} is being healed"));
    }
    if health["recovering"] == true {
        what.push("the daemon brings back what ran before".to_owned());
    }
    if what.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Unsettled { what })
    }
}

/// Whether a package may be installed, by `package.list` and what was there before.
pub(crate) fn taken(claim: &Claim, packages: &Value, before: &Inventory) -> Result<(), Refusal> {
    let package = claim.package.clone();
    let mut installed = packages.as_array().into_iter().flatten();
    if installed.any(|installed| installed["id"] == package) {
        return Err(Refusal::Installed { package });
    }
    let mut names = Vec::new();
    let mut look = |kind: &str, wanted: &[String]| {
        let there = wanted.iter().filter(|name| before.has(kind, name));
        names.extend(there.map(|name| format!("{kind} {name}")));
    };
    look("container", &claim.containers);
    look("volume", &claim.volumes);
    look("file", claim.file.as_slice());
    let secrets = before.names("secret").filter(|name| claim.has_secret(name));
    names.extend(secrets.map(|name| format!("secret {name}")));
    if names.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Taken { package, names })
    }
}

/// What an install of a package makes.
pub(crate) fn claim(manifest: &Manifest, file: Option<String>) -> Claim {
    let mut claim = Claim {
        package: manifest.id.clone(),
        file,
        ..Claim::default()
    };
    for container in &manifest.containers {
        claim.containers.push(container.name.clone());
        claim.images.extend(container.image.clone());
        claim
            .volumes
            .extend(container.volumes.iter().map(|volume| volume.name.clone()));
    }
    claim
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use archipelago::catalog::Catalog;
    use serde_json::json;

    use super::*;

    crate::node::checks![
        a_package_of_the_users_is_refused,
        data_and_names_of_the_users_are_refused,
        what_is_not_at_rest_is_refused,
    ];

    fn filebrowser() -> Claim {
        let catalog = Catalog::load("/nowhere".as_ref());
        claim(catalog.get("filebrowser").expect("built in"), None)
    }

    fn a_package_of_the_users_is_refused() {
        let claim = filebrowser();
        let nothing = Inventory::default();
        assert_eq!(taken(&claim, &json!([{ "id": "lnd" }]), &nothing), Ok(()));
        let package = "filebrowser".to_owned();
        let refused = taken(&claim, &json!([{ "id": "filebrowser" }]), &nothing);
        assert_eq!(refused, Err(Refusal::Installed { package }));
    }

    fn data_and_names_of_the_users_are_refused() {
        let claim = filebrowser();
        for line in [
            "container filebrowser",
            "volume filebrowser-data",
            "secret filebrowser.token",
        ] {
            let before = Inventory::read(line);
            let Err(Refusal::Taken { names, .. }) = taken(&claim, &json!([]), &before) else {
                panic!("{line} is no hindrance");
            };
            assert_eq!(names, [line]);
        }
        let others = Inventory::read("container files\nvolume filebrowser-data-2\nimage x:1");
        assert_eq!(taken(&claim, &json!([]), &others), Ok(()));
    }

    fn what_is_not_at_rest_is_refused() {
        let calm = json!({ "operations": {}, "healing": [], "recovering": false });
        let packages =
            json!([{ "id": "a", "state": "running" }, { "id": "b", "state": "stopped" }]);
        assert_eq!(unsettled(&packages, &calm), Ok(()));
        let crashed = json!([{ "id": "a", "state": "crashed" }]);
        for (packages, health) in [
            (&crashed, calm.clone()),
            (&packages, json!({ "operations": { "a": "install" } })),
            (&packages, json!({ "healing": ["a"] })),
            (&packages, json!({ "recovering": true })),
        ] {
            let Err(Refusal::Unsettled { what }) = unsettled(packages, &health) else {
                panic!("{packages} with {health} is no hindrance");
            };
            assert_eq!(what.len(), 1, "{what:?}");
        }
    }
}
