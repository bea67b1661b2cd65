//! The keys: what each is called, what it may hold.

use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::Config;

/// A key, as it stands in the file, and how its value gets into the configuration.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) set: fn(&mut Config, &Value) -> Result<(), String>,
}

impl Key {
    pub(super) fn variable(&self) -> String {
        format!("ARCHIPELAGO_{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// Every key.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "state_dir",
        set: |config, value| path(value).map(|path| config.state_dir = path),
    },
    Key {
        name: "apps_dir",
        set: |config, value| path(value).map(|path| config.apps_dir = path),
    },
    Key {
        name: "listen",
        set: |config, value| {
            let text = value
                .as_str()
                .ok_or("must be a text, as `127.0.0.1:5678`")?;
            config.listen = text.parse().map_err(|_| {
                format!("`{text}` is not an IP address and port, as `127.0.0.1:5678`")
            })?;
            Ok(())
        },
    },
    Key {
        name: "require_token",
        set: |config, value| {
            config.require_token = value.as_bool().ok_or("must be `true` or `false`")?;
            Ok(())
        },
    },
    Key {
        name: "podman_socket",
        set: |config, value| {
            config.podman_socket = match value.as_str() {
                Some("none") => None,
                Some(_) | None => Some(path(value)?),
            };
            Ok(())
        },
    },
    Key {
        name: "health.events",
        set: |config, value| {
            config.health.events = value.as_bool().ok_or("must be `true` or `false`")?;
            Ok(())
        },
    },
    Key {
        name: "health.interval_secs",
        set: |config, value| seconds(value, 1).map(|secs| config.health.interval = secs),
    },
    Key {
        name: "health.max_restart_attempts",
        set: |config, value| {
            config.health.max_restart_attempts = whole(value, 1)?
                .try_into()
                .map_err(|_| "is too large".to_owned())?;
            Ok(())
        },
    },
    Key {
        name: "health.stability_secs",
        set: |config, value| seconds(value, 1).map(|secs| config.health.stability = secs),
    },
    Key {
        name: "health.slow_lane_secs",
        set: |config, value| seconds(value, 1).map(|secs| config.health.slow_lane = secs),
    },
    Key {
        name: "install.stay_up_secs",
        set: |config, value| seconds(value, 0).map(|secs| config.install.stay_up = secs),
    },
    Key {
        name: "install.healthy_secs",
        set: |config, value| seconds(value, 1).map(|secs| config.install.healthy = secs),
    },
    Key {
        name: "metrics.interval_secs",
        set: |config, value| seconds(value, 1).map(|secs| config.metrics.interval = secs),
    },
];

fn path(value: &Value) -> Result<PathBuf, String> {
    let path = PathBuf::from(value.as_str().ok_or("must be a path")?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("`{}` is not an absolute path", path.display()))
    }
}

fn whole(value: &Value, least: i64) -> Result<u64, String> {
    let number = value.as_integer().ok_or("must be a whole number")?;
    if number < least {
        return Err(format!("must be at least {least}, not {number}"));
    }
    u64::try_from(number).map_err(|_| "must not be negative".to_owned())
}

/// Ten years: longer is a slip, and would overflow dates.
const MOST_SECS: u64 = 10 * 365 * 86400;

fn seconds(value: &Value, least: i64) -> Result<Duration, String> {
    let secs = whole(value, least)?;
    if secs > MOST_SECS {
        return Err(format!("must be at most {MOST_SECS}, not {secs}"));
    }
    Ok(Duration::from_secs(secs))
}
