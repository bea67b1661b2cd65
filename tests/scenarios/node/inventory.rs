//! What a node holds: before a trial, after it, and the difference.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::NodeError;
use super::ssh::Session;

const SCRIPT: &str = include_str!("inventory.sh");

/// One thing a line: `container bitcoin`, `file /etc/archipelago/apps/x.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Inventory(BTreeSet<String>);

impl Inventory {
    /// Asks the node.
    pub(crate) async fn of(session: &Session) -> Result<Self, NodeError> {
        let argv = ["sh", "-s"];
        let text = session
            .succeed("list what is there", &argv, SCRIPT.as_bytes())
            .await?;
        Ok(Self::read(&text))
    }

    pub(crate) fn read(text: &str) -> Self {
        Self(text.lines().map(str::to_owned).collect())
    }

    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        self.0.contains(&format!("{kind} {name}"))
    }

    /// Names of one kind.
    pub(crate) fn names<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self
            .0
            .iter()
            .filter_map(move |line| line.strip_prefix(kind));
        names.filter_map(|rest| rest.strip_prefix(' '))
    }

    /// What is there that was not there before.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self(self.0.difference(&before.0).cloned().collect())
    }

    /// How it differs from what was there before, for people; nothing where it does not. Processes that are gone are
    /// others' business: whatever runs on a node may end.
    pub(crate) fn changed_since(&self, before: &Self) -> Option<String> {
        let left: Vec<_> = self.0.difference(&before.0).cloned().collect();
        let gone = before.0.difference(&self.0);
        let gone: Vec<_> = gone
            .filter(|line| !line.starts_with("process "))
            .cloned()
            .collect();
        let mut parts = Vec::new();
        if !left.is_empty() {
            parts.push(format!("left behind: {}", left.join(", ")));
        }
        if !gone.is_empty() {
            parts.push(format!("gone: {}", gone.join(", ")));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use super::*;

    crate::node::checks![what_is_left_and_what_is_gone_is_told];

    fn what_is_left_and_what_is_gone_is_told() {
        let before = Inventory::read("container a\nvolume a-data\nprocess conmon of a\n");
        assert_eq!(before.changed_since(&before), None);
        let after = Inventory::read("container a\ncontainer b\nprocess conmon of b\n");
        assert_eq!(
            after.changed_since(&before).as_deref(),
            Some("left behind: container b, process conmon of b; gone: volume a-data")
        );
        let ended = Inventory::read("container a\nvolume a-data\n");
        assert_eq!(ended.changed_since(&before), None, "it ended by itself");
        assert!(after.has("container", "b") && !after.has("container", "a-data"));
        assert_eq!(
            after.since(&before).names("container").collect::<Vec<_>>(),
            ["b"]
        );
    }
}
