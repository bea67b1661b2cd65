//! Which distribution this is, from `/etc/os-release`: it decides how a remedy is typed.

use super::error::Fact;
use super::files::Files;

/// The distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distro {
    /// `ID` of os-release, such as `debian`, `ubuntu` or `fedora`; `linux` if it has none.
    pub id: String,
    /// The package manager of this distribution or of one that it is like.
    pub packages: Packages,
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// Debian, Ubuntu and their kin.
    Apt,
    /// Fedora, RHEL and their kin.
    Dnf,
    /// Arch and its kin.
    Pacman,
    /// openSUSE and its kin.
    Zypper,
    /// One that we do not know.
    Other,
}

impl Distro {
    /// Reads `/etc/os-release`, or `/usr/lib/os-release` where that is missing.
    pub fn read(files: &Files) -> Fact<Self> {
        match files.text_if_there("/etc/os-release")? {
            Some(text) => Ok(Self::parse(&text)),
            None => files.parse("/usr/lib/os-release", |text| Ok(Self::parse(text))),
        }
    }

    /// Parses an os-release text. Any text is one: all its fields are optional.
    pub fn parse(text: &str) -> Self {
        let id = value(text, "ID=").unwrap_or("linux").to_owned();
        let like = value(text, "ID_LIKE=").unwrap_or("");
        let packages = std::iter::once(id.as_str())
            .chain(like.split_whitespace())
            .find_map(|id| match id {
                "debian" | "ubuntu" => Some(Packages::Apt),
                "fedora" | "rhel" | "centos" => Some(Packages::Dnf),
                "arch" => Some(Packages::Pacman),
                "suse" | "opensuse" => Some(Packages::Zypper),
                _ => None,
            });
        Self {
            packages: packages.unwrap_or(Packages::Other),
            id,
        }
    }
}

fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?.trim();
    Some(value.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distro(text: &str) -> (String, Packages) {
        let distro = Distro::parse(text);
        (distro.id, distro.packages)
    }

    #[test]
    fn a_distribution_has_a_package_manager() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert_eq!(distro(debian), ("debian".to_owned(), Packages::Apt));
        let ubuntu = "ID=ubuntu\nID_LIKE=debian\n";
        assert_eq!(distro(ubuntu), ("ubuntu".to_owned(), Packages::Apt));
        let fedora = "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=43\n";
        assert_eq!(distro(fedora), ("fedora".to_owned(), Packages::Dnf));
        let rocky = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
        assert_eq!(distro(rocky), ("rocky".to_owned(), Packages::Dnf));
        let leap = "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n";
        assert_eq!(distro(leap), ("opensuse-leap".to_owned(), Packages::Zypper));
        assert_eq!(distro(""), ("linux".to_owned(), Packages::Other));
    }

    #[test]
    fn the_second_place_is_read_when_the_first_is_missing() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("usr/lib");
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("os-release"), "ID=arch\n").expect("written");
        let distro = Distro::read(&Files::below(root.path())).expect("read");
        assert_eq!(distro.packages, Packages::Pacman);
    }
}
