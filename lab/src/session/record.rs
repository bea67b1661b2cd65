//! What a keeper tells: to whoever started it, and in `keeper.json` to all who come later.

use super::owner::Owner;
use crate::engine::Endpoint;

/// What the keeper lets others know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeeperRecord {
    /// The keeper itself.
    #[serde(with = "as_text")]
    pub keeper: Owner,
    /// The engine.
    #[serde(with = "as_text_endpoint")]
    pub endpoint: Endpoint,
    /// The engine's process, if a keeper of this session started it.
    pub service: Option<ServiceRecord>,
}

/// What the next keeper has to know of an engine of ours, should this one die.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ServiceRecord {
    /// Its process.
    #[serde(with = "as_text")]
    pub process: Owner,
}

/// The one line a keeper prints to whoever started it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstWord {
    /// It keeps.
    Ready(KeeperRecord),
    /// It cannot; why, for a person.
    Failed(String),
}

mod as_text {
    use super::Owner;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(owner: &Owner, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(owner)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Owner, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod as_text_endpoint {
    use super::Endpoint;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Endpoint, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Endpoint, D::Error> {
        Ok(Endpoint(String::deserialize(from)?))
    }
}
