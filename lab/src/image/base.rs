//! What a lab image is built on.

use std::fmt;
use std::str::FromStr;

/// The base of a lab image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The Fedora release that `Containerfile.lab` pins; needs a registry, and a host with cgroup v2.
    Fedora,
    /// A Debian release; made from Debian packages, needs no registry.
    Debian(Suite),
    /// Any image with dnf or apt.
    Reference(String),
}

/// The Debian releases that stand for podman versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// Debian 12: podman 4.3.
    Bookworm,
    /// Debian 13: podman 5.4, what the test node runs.
    Trixie,
    /// Debian unstable: the newest podman in Debian.
    Sid,
}

impl Suite {
    /// The name Debian's archive has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Sid => "sid",
        }
    }

    /// The suite that systemd is taken from instead, where the suite's own cannot run on cgroup v1 (systemd 258 and
    /// later). podman and all else stay the suite's own.
    pub fn systemd_from(self) -> Option<Self> {
        match self {
            Self::Bookworm | Self::Trixie => None,
            Self::Sid => Some(Self::Trixie),
        }
    }
}

/// Not a base.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a base: use fedora, debian-12, debian-13, debian-sid, or a reference to an image with dnf or apt such as `HOST/NAME:TAG`"
)]
pub struct UnknownBase(pub String);

impl FromStr for Base {
    type Err = UnknownBase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fedora" => Ok(Self::Fedora),
            "debian-12" => Ok(Self::Debian(Suite::Bookworm)),
            "debian-13" => Ok(Self::Debian(Suite::Trixie)),
            "debian-sid" => Ok(Self::Debian(Suite::Sid)),
            // A reference has a tag, a digest or a host: a mistyped name has none of them.
            reference
                if reference.contains([':', '/'])
                    && !reference.starts_with('-')
                    && !reference.contains(char::is_whitespace) =>
            {
                Ok(Self::Reference(reference.to_owned()))
            }
            other => Err(UnknownBase(other.to_owned())),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fedora => f.write_str("fedora"),
            Self::Debian(Suite::Bookworm) => f.write_str("debian-12"),
            Self::Debian(Suite::Trixie) => f.write_str("debian-13"),
            Self::Debian(Suite::Sid) => f.write_str("debian-sid"),
            Self::Reference(reference) => f.write_str(reference),
        }
    }
}

impl Base {
    /// The bases that need no registry, oldest podman first.
    pub const FROM_PACKAGES: [Self; 3] = [
        Self::Debian(Suite::Bookworm),
        Self::Debian(Suite::Trixie),
        Self::Debian(Suite::Sid),
    ];

    /// The base to use when nobody says: `ARCHIPELAGO_LAB_BASE`, else Fedora where the host has cgroup v2, else Debian 13,
    /// because Fedora's systemd does not run on cgroup v1.
    pub fn preferred() -> Result<Self, UnknownBase> {
        match std::env::var("ARCHIPELAGO_LAB_BASE") {
            Ok(text) if !text.is_empty() => text.parse(),
            _ if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() => {
                Ok(Self::Fedora)
            }
            _ => Ok(Self::Debian(Suite::Trixie)),
        }
    }

    /// The base as a part of an image tag: letters, digits, `_`, `.` and `-`.
    pub fn tag_part(&self) -> String {
        match self {
            Self::Reference(reference) => reference
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || c == '.' {
                        c
                    } else {
                        '_'
                    }
                })
                .collect(),
            named => named.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in [
            "fedora",
            "debian-12",
            "debian-13",
            "debian-sid",
            "localhost/x:1",
        ] {
            assert_eq!(name.parse::<Base>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_mistyped_name_is_not_taken_for_a_reference() {
        for name in ["debian13", "", "fedoar", "--base", "a b:c", "-x/y:1"] {
            let error = name.parse::<Base>().unwrap_err();
            assert!(error.to_string().contains("debian-13"), "{name}");
        }
    }

    #[test]
    fn every_base_gives_a_valid_tag() {
        let base: Base = "localhost:5000/some/image@sha256:ab".parse().unwrap();
        assert_eq!(base.tag_part(), "localhost_5000_some_image_sha256_ab");
    }
}
