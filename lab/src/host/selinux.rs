//! What SELinux does, from `/sys/fs/selinux`.

use super::error::{Fact, ParseError};
use super::files::Files;

/// What SELinux does on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selinux {
    /// The kernel runs without it.
    Absent,
    /// It complains and lets pass.
    Permissive,
    /// It refuses.
    Enforcing,
}

impl Selinux {
    /// Reads the mode.
    pub fn read(files: &Files) -> Fact<Self> {
        const FILE: &str = "/sys/fs/selinux/enforce";
        match files.text_if_there(FILE)? {
            None => Ok(Self::Absent),
            Some(text) => Self::parse(&text).map_err(|source| files.misread(FILE, source)),
        }
    }

    /// Parses the text of the `enforce` file.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match text.trim() {
            "0" => Ok(Self::Permissive),
            "1" => Ok(Self::Enforcing),
            other => Err(ParseError::malformed("0 or 1", other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selinux_is_absent_permissive_or_enforcing() {
        assert_eq!(Selinux::parse("1"), Ok(Selinux::Enforcing));
        assert_eq!(Selinux::parse("0\n"), Ok(Selinux::Permissive));
        assert!(Selinux::parse("").is_err());
        let root = tempfile::tempdir().expect("a folder");
        let read = Selinux::read(&Files::below(root.path()));
        assert!(matches!(read, Ok(Selinux::Absent)));
    }
}
