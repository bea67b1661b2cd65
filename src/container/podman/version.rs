//! podman's version: some of its answers mean other things before and after one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `major.minor.patch`, ordered as versions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodmanVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number; 0 where podman prints none.
    pub patch: u32,
}

impl PodmanVersion {
    /// `major.minor.patch`.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Whether `State.OOMKilled` can be trusted. podman 4.3 says false also after an OOM kill.
    pub fn tells_oom(self) -> bool {
        self >= Self::new(5, 0, 0)
    }

    /// Whether secrets are given labels. podman 4.3 takes `secret create --label`, as recorded; that it keeps them was not
    /// looked at, and what is done instead works everywhere.
    pub fn labels_secrets(self) -> bool {
        self >= Self::new(5, 0, 0)
    }
}

impl fmt::Display for PodmanVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no version of the form major.minor.patch")]
pub struct NotAVersion {
    /// The text.
    pub text: String,
}

impl FromStr for PodmanVersion {
    type Err = NotAVersion;

    /// Reads `5.4.2`, and what distributors make of it: `4.9.4-rhel`, `5.0.0-dev`, `5.4.2+ds1`.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let numbers = text
            .trim()
            .split(['-', '+', '~'])
            .next()
            .into_iter()
            .flat_map(|core| core.split('.'))
            .map(str::parse)
            .collect::<Result<Vec<u32>, _>>();
        match numbers.as_deref() {
            Ok([major, minor]) => Ok(Self::new(*major, *minor, 0)),
            Ok([major, minor, patch]) => Ok(Self::new(*major, *minor, *patch)),
            Ok(_) | Err(_) => Err(NotAVersion {
                text: text.to_owned(),
            }),
        }
    }
}

impl Serialize for PodmanVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PodmanVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_and_distributors_versions() {
        for (text, expected) in [
            ("4.3.1", PodmanVersion::new(4, 3, 1)),
            ("5.4.2\n", PodmanVersion::new(5, 4, 2)),
            ("4.9.4-rhel", PodmanVersion::new(4, 9, 4)),
            ("5.4.2+ds1-1", PodmanVersion::new(5, 4, 2)),
            ("6.0", PodmanVersion::new(6, 0, 0)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in ["", "5", "five.four", "5.4.2.1", "-5.4"] {
            assert!(text.parse::<PodmanVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn orders_by_number_and_not_by_text() {
        assert!(PodmanVersion::new(4, 10, 0) > PodmanVersion::new(4, 9, 4));
        assert!(!PodmanVersion::new(4, 9, 9).tells_oom());
        assert!(PodmanVersion::new(5, 0, 0).tells_oom());
    }
}
