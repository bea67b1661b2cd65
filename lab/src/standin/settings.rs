//! What a stand-in is made of besides the lab: `lab/stand-in.toml`.

use std::path::PathBuf;

use serde::Deserialize;

use super::StandInError;
use crate::image::inputs::source_root;

/// The file, from the root of the sources.
const FILE: &str = "lab/stand-in.toml";

/// The content of `lab/stand-in.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who logs in.
    pub user: String,
    /// How the variables begin that name a node.
    pub variables: String,
    /// The program under test.
    pub program: Program,
    /// The service that runs it.
    pub service: Service,
}

/// The program under test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its package in the workspace.
    pub package: String,
    /// Its name.
    pub bin: String,
    /// Where it is on a node.
    pub at: String,
}

/// The service that runs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The unit file, from the root of the sources.
    pub unit: PathBuf,
    /// The unit's name.
    pub name: String,
    /// Where it answers HTTP, on the node's loopback.
    pub port: u16,
    /// The file with the token of its RPC service.
    pub token: String,
    /// The path that answers 200 when all is well.
    pub path: String,
}

impl Settings {
    /// Reads the file.
    pub fn read() -> Result<Self, StandInError> {
        let path = source_root().join(FILE);
        let text = std::fs::read_to_string(&path)
            .map_err(super::io(format!("read `{}`", path.display())))?;
        toml::from_str(&text).map_err(|source| StandInError::Settings {
            file: FILE,
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_it_names_is_there_and_starts_the_program() {
        let settings = Settings::read().unwrap();
        let unit = std::fs::read_to_string(source_root().join(&settings.service.unit)).unwrap();
        let start = format!("ExecStart={} ", settings.program.at);
        assert!(unit.contains(&start), "no `{start}` in {unit}");
    }
}
