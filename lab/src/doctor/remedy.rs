//! The commands that mend a host, as they are typed on this one.

use crate::host::{Distro, HostFacts, Packages};

/// Builds commands for one host.
#[derive(Debug, Clone)]
pub(super) struct Remedies {
    distro: Distro,
    /// Root needs no `sudo`, and often has none.
    root: bool,
}

impl Remedies {
    pub(super) fn of(host: &HostFacts) -> Self {
        Self {
            distro: match &host.distro {
                Ok(distro) => distro.clone(),
                // Without os-release there is only the general advice.
                Err(_) => Distro::parse(""),
            },
            root: matches!(&host.privileges, Ok(privileges) if privileges.is_root()),
        }
    }

    pub(super) fn packages(&self) -> Packages {
        self.distro.packages
    }

    pub(super) fn root(&self) -> bool {
        self.root
    }

    /// `command`, run as root.
    pub(super) fn as_root(&self, command: &str) -> String {
        if self.root {
            command.to_owned()
        } else {
            format!("sudo {command}")
        }
    }

    /// Several commands in a row, all run as root.
    fn all_as_root<const N: usize>(&self, commands: [String; N]) -> String {
        commands.map(|command| self.as_root(&command)).join(" && ")
    }

    /// Installs packages, given by the names that they have on this distribution.
    pub(super) fn install(&self, names: &str) -> String {
        match self.distro.packages {
            Packages::Apt => self.all_as_root([
                "apt-get update".to_owned(),
                format!("apt-get install -y {names}"),
            ]),
            Packages::Dnf => self.as_root(&format!("dnf install -y {names}")),
            Packages::Pacman => self.as_root(&format!("pacman -S --needed --noconfirm {names}")),
            Packages::Zypper => self.as_root(&format!("zypper --non-interactive install {names}")),
            Packages::Other => format!("install with the package manager: {names}"),
        }
    }

    /// Installs podman with what a lab's outer engine uses of it.
    pub(super) fn install_podman(&self) -> String {
        self.install(match self.distro.packages {
            // Debian's podman merely recommends its network, and installs may leave recommendations out.
            Packages::Apt => "podman crun netavark aardvark-dns fuse-overlayfs slirp4netns uidmap iptables nftables",
            Packages::Dnf | Packages::Pacman | Packages::Zypper | Packages::Other => "podman",
        })
    }

    /// Sets kernel settings now and for later boots.
    pub(super) fn sysctl(&self, settings: &[(&str, u64)]) -> String {
        let lines: Vec<_> = settings
            .iter()
            .map(|(key, value)| format!("'{key} = {value}'"))
            .collect();
        // One file a group of settings: `fs.inotify.…` and `kernel.…` do not overwrite each other.
        let group = settings
            .first()
            .and_then(|(key, _)| key.split('.').next())
            .unwrap_or("kernel");
        let file = format!("/etc/sysctl.d/90-lab-{group}.conf");
        format!(
            "printf '%s\\n' {} | {} && {}",
            lines.join(" "),
            self.as_root(&format!("tee {file}")),
            self.as_root(&format!("sysctl -p {file}")),
        )
    }

    /// Loads modules that are installed.
    pub(super) fn modprobe(&self, names: &str) -> String {
        self.as_root(&format!("modprobe -a {names}"))
    }

    /// Installs the modules of the kernel and loads these.
    pub(super) fn install_modules(&self, names: &str) -> String {
        match (self.distro.packages, self.distro.id.as_str()) {
            (Packages::Apt, "ubuntu") => format!(
                "{} && {}",
                self.install("linux-modules-extra-$(uname -r)"),
                self.modprobe(names)
            ),
            (Packages::Apt, _) => format!(
                "{} && {}",
                self.install("linux-image-$(dpkg --print-architecture)"),
                self.as_root("reboot")
            ),
            (Packages::Dnf, _) => format!(
                "{} && {}",
                self.install("kernel-modules-$(uname -r)"),
                self.modprobe(names)
            ),
            (Packages::Pacman | Packages::Zypper | Packages::Other, _) => self.modprobe(names),
        }
    }

    /// Adds an argument to the kernel's command line and boots with it.
    pub(super) fn boot_with(&self, argument: &str) -> String {
        let edit = format!(r#"sed -i 's/^GRUB_CMDLINE_LINUX="/&{argument} /' /etc/default/grub"#);
        let reboot = "reboot".to_owned();
        let mkconfig = |grub: &str| format!("{grub}-mkconfig -o /boot/{grub}/grub.cfg");
        match self.distro.packages {
            Packages::Apt => self.all_as_root([edit, "update-grub".to_owned(), reboot]),
            Packages::Dnf => self.all_as_root([
                format!("grubby --update-kernel=ALL --args={argument}"),
                reboot,
            ]),
            Packages::Pacman => self.all_as_root([edit, mkconfig("grub"), reboot]),
            Packages::Zypper => self.all_as_root([edit, mkconfig("grub2"), reboot]),
            Packages::Other => format!("add `{argument}` to the kernel's command line and reboot"),
        }
    }
}
