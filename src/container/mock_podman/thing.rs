//! What happens to images, secrets, volumes and networks, for the event log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Something that happened to a thing that is no container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Thing {
    /// `image`, `secret`, `volume` or `network`.
    kind: String,
    status: String,
    /// What podman says of it besides the time.
    fields: BTreeMap<String, Value>,
}

impl Thing {
    pub(super) fn new(kind: &str, status: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            status: status.to_owned(),
            fields: BTreeMap::from([("Attributes".to_owned(), Value::Null)]),
        }
    }

    /// What has no id, or an empty name, is not said.
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn id(self, id: Option<&str>) -> Self {
        match id {
            Some(id) => self.with("ID", id),
            None => self,
        }
    }

    pub(super) fn name(self, name: &str) -> Self {
        if name.is_empty() {
            self
        } else {
            self.with("Name", name)
        }
    }

    pub(super) fn error(self, text: &str) -> Self {
        self.with("Error", text)
    }

    /// Whether a filter of `podman events` lets it through.
    pub(super) fn passes(&self, key: &str, value: &str) -> bool {
        match key {
            "type" => value == self.kind,
            "event" => value == self.status,
            "image" if self.kind == "image" => ["ID", "Name"]
                .iter()
                .any(|key| self.fields.get(*key) == Some(&json!(value))),
            "volume" if self.kind == "volume" => self.fields.get("Name") == Some(&json!(value)),
            "network" if self.kind == "network" => {
                self.fields.get("network") == Some(&json!(value))
            }
            _ => false,
        }
    }

    /// The event without its time.
    pub(super) fn document(&self) -> Value {
        let mut event = json!({ "Type": self.kind, "Status": self.status });
        for (key, value) in &self.fields {
            event[key] = value.clone();
        }
        event
    }
}
