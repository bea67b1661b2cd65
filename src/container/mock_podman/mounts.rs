//! `--volume`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::container::Mount;
use super::reply::{Refused, not_implemented, refuse};
use super::state::{State, Volume};
use super::volumes;

/// Refuses a mount whose source is no volume and not there.
pub(super) fn check_source(text: &str) -> Result<(), Refused> {
    let source = text.split(':').next().unwrap_or_default();
    if source.starts_with("/no/such") && source.len() < text.len() {
        return Err(refuse(
            125,
            format!("statfs {source}: no such file or directory"),
        ));
    }
    Ok(())
}

/// A `--volume` that was read: where from (nothing for an anonymous volume), where to, and whether nobody may write.
type Asked<'a> = (Option<&'a str>, &'a str, bool);

/// Refuses what is no mount, wherever its source is.
pub(super) fn check_mount(text: &str) -> Result<(), Refused> {
    asked(text).map(|_| ())
}

/// Reads `VOLUME:PATH[:OPTIONS]`, `SOURCE:PATH[:OPTIONS]`, or `PATH` for an anonymous volume.
fn asked(text: &str) -> Result<Asked<'_>, Refused> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, path, options) = match parts[..] {
        [path] => (None, path, ""),
        [source, path] => (Some(source), path, ""),
        [source, path, options] => (Some(source), path, options),
        _ => return Err(not_implemented(format!("`--volume {text}`"))),
    };
    if !path.starts_with('/') {
        return Err(refuse(
            125,
            format!("invalid container path \"{path}\", must be an absolute path"),
        ));
    }
    let mut is_read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => is_read_only = true,
            "rw" | "z" | "Z" => {}
            "U" | "O" | "copy" | "nocopy" | "exec" | "noexec" | "suid" | "nosuid" | "dev"
            | "nodev" | "bind" | "rbind" | "shared" | "rshared" | "slave" | "rslave"
            | "private" | "rprivate" | "unbindable" | "runbindable" | "idmap" => {
                return Err(not_implemented(format!("`--volume {text}`")));
            }
            _ => return Err(refuse(125, format!("invalid option type \"{option}\""))),
        }
    }
    Ok((source, path, is_read_only))
}

/// The mount of a `--volume`. A volume that is not there is made. A bind source below `/no/such` is not there; every other
/// one is.
pub(super) fn mount(state: &mut State, now: DateTime<Utc>, text: &str) -> Result<Mount, Refused> {
    let (source, path, is_read_only) = asked(text)?;
    let is_anonymous = source.is_none();
    let volume = match source {
        Some(source) => source.to_owned(),
        None => state.new_id(),
    };
    if !volume.starts_with('/') && !state.volumes.contains_key(&volume) {
        let made = Volume {
            labels: BTreeMap::new(),
            created_at: now,
            is_anonymous,
            keeps_owner: false,
            owner: 0,
            files: BTreeMap::new(),
        };
        state.volumes.insert(volume.clone(), made);
        volumes::tell(state, "create", &volume);
    }
    Ok(Mount {
        volume,
        path: path.to_owned(),
        is_read_only,
    })
}
