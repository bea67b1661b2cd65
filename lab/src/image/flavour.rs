//! What an image is for.

use std::fmt;

/// What an image is for. Each flavour has a repository of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Flavour {
    /// Labs of tests: nothing that a scenario does not need.
    #[default]
    Lab,
    /// Stand-ins for a node that people and scripts log into, see [`crate::standin`]: a lab with sshd, sudo, rsync, a C linker
    /// and a container registry.
    Node,
}

impl Flavour {
    /// The repository of its images.
    pub fn repository(self) -> &'static str {
        match self {
            Self::Lab => super::REPOSITORY,
            Self::Node => super::NODE_REPOSITORY,
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lab => "lab",
            Self::Node => "node",
        })
    }
}
