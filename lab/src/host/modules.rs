//! Whether the kernel has what container networks and storage need.
//!
//! No single source tells: a loaded module is in `/proc/modules`, a built-in one in `modules.builtin` if the kernel's
//! folder is installed, in `/sys/module` if it has parameters, and its functions are in `/proc/kallsyms`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::error::Fact;
use super::files::Files;

/// Where a module stands, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// In the running kernel: built in, or loaded.
    There,
    /// Installed for the running kernel, which loads it at first use.
    Loadable,
    /// No source tells.
    Unknown,
    /// Neither in the running kernel nor installed for it.
    Missing,
}

/// The modules that a lab uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelModules {
    /// Container networks are bridges.
    pub bridge: Presence,
    /// Each container hangs on its bridge by a pair of these.
    pub veth: Presence,
    /// Published ports and masquerading, the newer way.
    pub nf_tables: Presence,
    /// The same, the older way; one of the two is enough.
    pub ip_tables: Presence,
    /// Layers of images.
    pub overlay: Presence,
}

impl KernelModules {
    /// Asks all sources. A source that is missing tells nothing; one that cannot be read is an error.
    pub fn read(files: &Files) -> Fact<Self> {
        let release = files.text("/proc/sys/kernel/osrelease")?;
        let folder = PathBuf::from("/lib/modules").join(release.trim());
        let sources = Sources {
            loaded: files.text_if_there("/proc/modules")?.map(names),
            built_in: files
                .text_if_there(folder.join("modules.builtin"))?
                .map(file_names),
            installed: files
                .text_if_there(folder.join("modules.dep"))?
                .map(file_names),
            symbols: files.text_if_there("/proc/kallsyms")?.unwrap_or_default(),
        };
        let presence = |name, symbol| {
            let shown = files.exists(format!("/sys/module/{name}"))?;
            Ok(sources.presence(name, symbol, shown))
        };
        Ok(Self {
            bridge: presence("bridge", "br_add_if")?,
            veth: presence("veth", "veth_newlink")?,
            nf_tables: presence("nf_tables", "nf_tables_newtable")?,
            ip_tables: presence("ip_tables", "ipt_do_table")?,
            overlay: presence("overlay", "ovl_fill_super")?,
        })
    }
}

/// What the sources say; `None` where a source is missing.
struct Sources {
    loaded: Option<BTreeSet<String>>,
    built_in: Option<BTreeSet<String>>,
    installed: Option<BTreeSet<String>>,
    symbols: String,
}

impl Sources {
    /// `symbol` is a function of the module; `shown` tells whether `/sys/module` has it.
    fn presence(&self, name: &str, symbol: &str, shown: bool) -> Presence {
        let has = |source: &Option<BTreeSet<String>>| {
            source.as_ref().is_some_and(|names| names.contains(name))
        };
        if shown || has(&self.loaded) || has(&self.built_in) || has_symbol(&self.symbols, symbol) {
            return Presence::There;
        }
        if has(&self.installed) {
            return Presence::Loadable;
        }
        // Only a kernel whose folder we see tells what it lacks; in a container the folder is another kernel's or none.
        match (&self.built_in, &self.installed) {
            (Some(_), Some(_)) => Presence::Missing,
            (Some(_), None) | (None, Some(_)) | (None, None) => Presence::Unknown,
        }
    }
}

/// Module names of `/proc/modules`: the first word of each line.
fn names(text: String) -> BTreeSet<String> {
    let words = text.lines().filter_map(|line| line.split(' ').next());
    words.map(str::to_owned).collect()
}

/// Module names of `modules.builtin` (`kernel/net/veth.ko`) or `modules.dep` (`kernel/net/veth.ko.xz: …`).
fn file_names(text: String) -> BTreeSet<String> {
    let name = |line: &str| {
        let path = line.split(':').next()?;
        let file = path.rsplit('/').next()?;
        // Files may be spelt with a hyphen, the kernel itself says underscore.
        Some(file.split_once(".ko")?.0.replace('-', "_"))
    };
    text.lines().filter_map(name).collect()
}

/// Whether `/proc/kallsyms` (`address type name [module]`) has this very name. The text is some megabytes long.
fn has_symbol(text: &str, symbol: &str) -> bool {
    text.match_indices(symbol).any(|(start, _)| {
        let rest = &text[start + symbol.len()..];
        text[..start].ends_with(' ') && (rest.is_empty() || rest.starts_with(['\n', '\t']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADED: &str = "\
veth 45056 0 - Live 0x0000000000000000
bridge 425984 1 br_netfilter, Live 0x0000000000000000
";
    const BUILT_IN: &str = "kernel/fs/ext4/ext4.ko\nkernel/net/netfilter/nf_tables.ko\n";
    const INSTALLED: &str = "\
kernel/fs/overlayfs/overlay.ko.xz:
kernel/net/ipv4/netfilter/ip_tables.ko.zst: kernel/net/netfilter/x_tables.ko.zst
kernel/sound/snd-hda.ko: kernel/sound/snd.ko
";
    const SYMBOLS: &str = "\
ffffffff81db9ae0 t veth_newlink.cold
ffffffff81db9ae8 t __veth_newlink
ffffffff82157bf0 T br_add_if
0000000000000000 t ipt_do_table\t[ip_tables]
";

    fn sources() -> Sources {
        Sources {
            loaded: Some(names(LOADED.to_owned())),
            built_in: Some(file_names(BUILT_IN.to_owned())),
            installed: Some(file_names(INSTALLED.to_owned())),
            symbols: String::new(),
        }
    }

    #[test]
    fn loaded_built_in_loadable_and_missing_are_told_apart() {
        let sources = sources();
        let presence = |name| sources.presence(name, "none", false);
        assert_eq!(presence("veth"), Presence::There);
        assert_eq!(presence("nf_tables"), Presence::There);
        assert_eq!(presence("overlay"), Presence::Loadable);
        assert_eq!(presence("snd_hda"), Presence::Loadable);
        assert_eq!(
            presence("x_tables"),
            Presence::Missing,
            "named as a need only"
        );
        assert_eq!(sources.presence("x", "none", true), Presence::There);
    }

    #[test]
    fn without_the_folder_of_the_kernel_only_presence_can_be_told() {
        let symbols_only = Sources {
            loaded: None,
            built_in: None,
            installed: None,
            symbols: SYMBOLS.to_owned(),
        };
        let presence = |symbol| symbols_only.presence("x", symbol, false);
        assert_eq!(presence("br_add_if"), Presence::There);
        assert_eq!(presence("ipt_do_table"), Presence::There);
        assert_eq!(presence("veth_newlink"), Presence::Unknown);
        let half = Sources {
            built_in: None,
            ..sources()
        };
        assert_eq!(half.presence("x", "none", false), Presence::Unknown);
    }
}
