//! Undoes what a run did to a node, its own or a dead one's: by archipelago first, and by hand what that leaves.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::Api;
use super::error::NodeError;
use super::inventory::Inventory;
use super::mark::Mark;
use super::ssh::Session;

/// How long an operation that is under way may go on.
const REST: Duration = Duration::from_secs(60);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(100);
/// Removes `$2` of the kind `$1`, whatever comes of it: the inventory tells.
const REMOVE: &str = r#"
while test $# -gt 1; do
    case $1 in
    container) podman rm --force --time 10 "$2" ;;
    volume | secret) podman "$1" rm "$2" ;;
    network) podman network rm "$2" ;;
    image) podman rmi "$2" ;;
    file) rm -f "$2" ;;
    folder) rmdir "$2" ;;
    esac || :
    shift 2
done
"#;
/// In this order: what is used goes after what uses it.
const KINDS: [&str; 7] = [
    "container",
    "volume",
    "secret",
    "network",
    "image",
    "file",
    "folder",
];

/// What is left when all has been undone.
#[derive(Debug)]
pub(crate) struct Cleaned {
    /// Of the run, and could not be removed.
    pub(crate) ours: Vec<String>,
    /// How the node differs from what it was before, if it does.
    pub(crate) changed: Option<String>,
}

impl Cleaned {
    fn judge(mark: &Mark, after: &Inventory) -> Self {
        let ours = leftovers(mark, after).into_iter();
        Self {
            ours: ours.map(|(kind, name)| format!("{kind} {name}")).collect(),
            changed: after.changed_since(&mark.before),
        }
    }
}

/// Undoes it, and looks back.
pub(crate) async fn clean(session: &Session, api: &Api, mark: &Mark) -> Result<Cleaned, NodeError> {
    let packages = mark.packages();
    if packages.is_empty() {
        return Ok(Cleaned::judge(mark, &Inventory::of(session).await?));
    }
    until_at_rest(api, &packages).await?;
    let list = api.result("package.list", json!({})).await?;
    for package in list.as_array().into_iter().flatten() {
        let Some(id) = package["id"].as_str().filter(|id| packages.contains(id)) else {
            continue;
        };
        // Refused or not finished: what is left is removed below, and told.
        let _ = api
            .call("package.uninstall", json!({ "id": id, "force": true }))
            .await?;
    }
    let after = Inventory::of(session).await?;
    let ours = leftovers(mark, &after);
    if ours.is_empty() {
        return Ok(Cleaned::judge(mark, &after));
    }
    let argv: Vec<&str> = ["sh", "-c", REMOVE, "sh"]
        .into_iter()
        .chain(ours.iter().flat_map(|(kind, name)| [*kind, name.as_str()]))
        .collect();
    session.succeed("remove what was left", &argv, b"").await?;
    Ok(Cleaned::judge(mark, &Inventory::of(session).await?))
}

/// What is there, was not there before, and is of the run: never anybody else's, whatever came to be meanwhile.
fn leftovers(mark: &Mark, after: &Inventory) -> Vec<(&'static str, String)> {
    let new = after.since(&mark.before);
    let mut ours = Vec::new();
    for kind in KINDS {
        for name in new.names(kind) {
            // Made with the first package; podman keeps it while anybody is attached.
            let is_shared = kind == "network" && name == archipelago::package::NETWORK;
            // Made for the first manifest; not removed while there are others in it.
            let is_folder =
                kind == "folder" && mark.claims.iter().any(|claim| claim.file.is_some());
            if is_shared || is_folder || mark.owns(kind, name) {
                ours.push((kind, name.to_owned()));
            }
        }
    }
    // The inner folder first.
    ours.sort_by_key(|(kind, name)| {
        (
            KINDS.iter().position(|k| k == kind),
            std::cmp::Reverse(name.len()),
        )
    });
    ours
}

/// Cancels what can be cancelled, and waits for the end of what cannot.
async fn until_at_rest(
    api: &Api,
    packages: &std::collections::BTreeSet<&str>,
) -> Result<(), NodeError> {
    let deadline = Instant::now() + REST;
    loop {
        let operations = api.result("operation.list", json!({})).await?;
        let running: Vec<&Value> = operations
            .as_array()
            .into_iter()
            .flatten()
            .filter(|operation| operation["state"] == "running")
            .filter(|operation| {
                let package = operation["package"].as_str();
                package.is_some_and(|package| packages.contains(package))
            })
            .collect();
        if running.is_empty() {
            return Ok(());
        }
        for operation in running.iter().filter(|o| o["cancellable"] == true) {
            // Too late is as good.
            let _ = api
                .call("operation.cancel", json!({ "id": operation["id"] }))
                .await?;
        }
        if Instant::now() > deadline {
            return Err(NodeError::Late {
                doing: format!("come to the end of {:?}", running),
                secs: REST.as_secs(),
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use super::*;
    use crate::node::mark::Claim;

    crate::node::checks![what_others_made_meanwhile_is_left_alone];

    fn what_others_made_meanwhile_is_left_alone() {
        let claim = Claim {
            package: "app".into(),
            containers: vec!["app".into()],
            volumes: vec!["app-data".into()],
            images: vec!["x/app:1".into(), "x/base:1".into()],
            file: Some("/etc/archipelago/apps/app.toml".into()),
        };
        let mark = Mark {
            run: "one".into(),
            holder: "me@here".into(),
            before: Inventory::read("image x/base:1\nvolume theirs"),
            claims: vec![claim],
        };
        let after = Inventory::read(
            "container app\ncontainer app-2\nvolume app-data\nvolume theirs\nvolume new\nnetwork archipelago\nnetwork new\nsecret app.token\nsecret apple.token\nimage x/app:1\nimage x/base:1\nimage x/new:1\nfile /etc/archipelago/apps/app.toml\nfile /etc/archipelago/apps/new.toml\nfolder /etc/archipelago\nfolder /etc/archipelago/apps\nprocess conmon of app",
        );
        let ours: Vec<String> = leftovers(&mark, &after)
            .into_iter()
            .map(|(kind, name)| format!("{kind} {name}"))
            .collect();
        assert_eq!(
            ours,
            [
                "container app",
                "volume app-data",
                "secret app.token",
                "network archipelago",
                "image x/app:1",
                "file /etc/archipelago/apps/app.toml",
                "folder /etc/archipelago/apps",
                "folder /etc/archipelago",
            ]
        );
    }
}
