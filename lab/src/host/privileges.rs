//! Who we are to the kernel, from `/proc/self/status`.

use super::error::{Fact, ParseError};
use super::files::Files;

/// A kernel capability that the lab asks about; the value is its bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Mounts and namespaces.
    SysAdmin = 21,
    /// Raising hard resource limits.
    SysResource = 24,
}

/// A set of capabilities as the kernel keeps it: bit N is capability N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Whether the set holds `capability`.
    pub fn has(self, capability: Capability) -> bool {
        self.0 >> (capability as u32) & 1 == 1
    }
}

/// The user and the capabilities of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privileges {
    /// The effective user id.
    pub user: u32,
    /// What this process may do now (`CapEff`).
    pub effective: Capabilities,
    /// What it or any child could ever get (`CapBnd`).
    pub bounding: Capabilities,
}

impl Privileges {
    /// Reads the privileges of this process.
    pub fn read(files: &Files) -> Fact<Self> {
        files.parse("/proc/self/status", Self::parse)
    }

    /// Parses the text of `/proc/PID/status`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        // Uid: real, effective, saved, file system.
        let user = field(text, "Uid:")?.split_whitespace().nth(1);
        let user = user.ok_or(ParseError::Missing("effective user id"))?;
        Ok(Self {
            user: user
                .parse()
                .map_err(|_| ParseError::malformed("a user id", user))?,
            effective: capabilities(field(text, "CapEff:")?)?,
            bounding: capabilities(field(text, "CapBnd:")?)?,
        })
    }

    /// Whether the effective user is root.
    pub fn is_root(&self) -> bool {
        self.user == 0
    }
}

fn field<'t>(text: &'t str, name: &'static str) -> Result<&'t str, ParseError> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
        .ok_or(ParseError::Missing(name))
}

fn capabilities(hexadecimal: &str) -> Result<Capabilities, ParseError> {
    u64::from_str_radix(hexadecimal, 16)
        .map(Capabilities)
        .map_err(|_| ParseError::malformed("a hexadecimal set", hexadecimal))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT_WITHOUT_SYS_RESOURCE: &str = "\
Name:\tlab
Uid:\t0\t0\t0\t0
CapInh:\t0000000000000000
CapPrm:\t000001fffeffffff
CapEff:\t000001fffeffffff
CapBnd:\t000001fffeffffff
CapAmb:\t0000000000000000
";

    #[test]
    fn capabilities_are_bits() {
        let root = Privileges::parse(ROOT_WITHOUT_SYS_RESOURCE).expect("parsed");
        assert!(root.is_root());
        assert!(root.effective.has(Capability::SysAdmin));
        assert!(!root.effective.has(Capability::SysResource));
        assert!(!root.bounding.has(Capability::SysResource));
    }

    #[test]
    fn a_user_has_no_capability_though_the_bounding_set_is_full() {
        let text = "Uid:\t0\t1000\t0\t0\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n";
        let user = Privileges::parse(text).expect("parsed");
        assert!(!user.is_root(), "the second column is the effective id");
        assert!(!user.effective.has(Capability::SysAdmin));
        assert!(user.bounding.has(Capability::SysResource));
    }

    #[test]
    fn a_missing_set_is_named() {
        let text = "Uid:\t0\t0\t0\t0\nCapEff:\t0\n";
        assert_eq!(Privileges::parse(text), Err(ParseError::Missing("CapBnd:")));
    }
}
