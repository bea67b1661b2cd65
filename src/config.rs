//! Configuration: `/etc/archipelago/archipelago.toml`, then `ARCHIPELAGO_*` variables over it.
//!
//! A key `health.interval_secs` of the file is `ARCHIPELAGO_HEALTH_INTERVAL_SECS` in the environment. Unknown keys
//! and bad values are errors, reported all at once; an unknown key is answered with the nearest known one.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

/// Where the configuration file is looked for when no other is named.
pub const DEFAULT_PATH: &str = "/etc/archipelago/archipelago.toml";

/// Variables with the prefix that are not keys of the configuration: they belong to the command line.
const COMMAND_LINE_VARIABLES: [&str; 2] = ["ARCHIPELAGO_CONFIG", "ARCHIPELAGO_TOKEN"];

/// Prefixes of variables that belong to the project's tools: a developer has them set while calling `archipelago rpc`.
const TOOL_PREFIXES: [&str; 3] = ["ARCHIPELAGO_LAB_", "ARCHIPELAGO_NODE", "ARCHIPELAGO_TEST_"];

/// All settings of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `state_dir`: state files, secrets, package records.
    pub state_dir: PathBuf,
    /// `apps_dir`: own manifests, which add to or override the built-in catalog.
    pub apps_dir: PathBuf,
    /// `listen`: address of the RPC server.
    pub listen: SocketAddr,
    /// `require_token`: whether RPC calls need the bearer token.
    pub require_token: bool,
    /// `health.*`.
    pub health: HealthConfig,
    /// `install.*`.
    pub install: InstallConfig,
}

/// Settings of the health monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// `health.interval_secs`: between two looks, and between two attempts at the same container.
    pub interval: Duration,
    /// `health.max_restart_attempts`: after so many the monitor gives up and goes over to the slow lane.
    pub max_restart_attempts: u32,
    /// `health.stability_secs`: up for so long, a container's attempts are forgotten.
    pub stability: Duration,
    /// `health.slow_lane_secs`: between two attempts after giving up.
    pub slow_lane: Duration,
}

/// Settings of installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallConfig {
    /// `install.stay_up_secs`: how long a started container must stay up.
    pub stay_up: Duration,
    /// `install.healthy_secs`: how long a container with a health check may take to become healthy, and a one-shot
    /// container to end.
    pub healthy: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/archipelago"),
            apps_dir: PathBuf::from("/etc/archipelago/apps"),
            listen: SocketAddr::from(([127, 0, 0, 1], 5678)),
            require_token: true,
            health: HealthConfig {
                interval: Duration::from_secs(120),
                max_restart_attempts: 10,
                stability: Duration::from_secs(3600),
                slow_lane: Duration::from_secs(21600),
            },
            install: InstallConfig {
                stay_up: Duration::from_secs(3),
                healthy: Duration::from_secs(120),
            },
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where: the file's name, or the name of the variable.
    pub place: String,
    /// The key, where one is known.
    pub key: String,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`: {}", self.place, self.key, self.what)
    }
}

/// The configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there (or was named) and cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration `{place}` is not TOML")]
    NotToml {
        /// The file.
        place: String,
        /// Where and why.
        source: toml::de::Error,
    },
    /// Every problem found, file before environment.
    #[error("bad configuration: {}", join(problems))]
    Problems {
        /// All of them.
        problems: Vec<ConfigProblem>,
    },
}

fn join(problems: &[ConfigProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

struct Key {
    name: &'static str,
    set: fn(&mut Config, &Value) -> Result<(), String>,
}

impl Key {
    fn variable(&self) -> String {
        format!("ARCHIPELAGO_{}", self.name.replace('.', "_").to_uppercase())
    }
}

const KEYS: &[Key] = &[
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

/// Reads the configuration from the text of a file (its name is `place`) and from the environment.
///
/// # Errors
/// [`ConfigError`], with every problem at once.
pub fn parse(
    file: Option<(&str, &str)>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    let mut problems = Vec::new();
    if let Some((place, text)) = file {
        let table: toml::Table = text.parse().map_err(|source| ConfigError::NotToml {
            place: place.to_owned(),
            source,
        })?;
        let mut flat = Vec::new();
        flatten("", &table, &mut flat);
        for (name, value) in flat {
            set(&mut config, place, &name, &value, &mut problems);
        }
    }
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| is_setting(name))
        .collect();
    variables.sort();
    for (variable, text) in variables {
        match KEYS.iter().find(|key| key.variable() == variable) {
            Some(key) => set(
                &mut config,
                &variable,
                key.name,
                &from_text(&text),
                &mut problems,
            ),
            None => problems.push(ConfigProblem {
                what: unknown(&variable, KEYS.iter().map(Key::variable)),
                place: "environment".to_owned(),
                key: variable,
            }),
        }
    }
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Problems { problems })
    }
}

fn is_setting(variable: &str) -> bool {
    variable.starts_with("ARCHIPELAGO_")
        && !COMMAND_LINE_VARIABLES.contains(&variable)
        && !TOOL_PREFIXES
            .iter()
            .any(|prefix| variable.starts_with(prefix))
}

/// Reads the configuration of this machine. Without `file`, [`DEFAULT_PATH`], which may be absent.
///
/// # Errors
/// [`ConfigError`], with every problem at once.
pub fn load(file: Option<PathBuf>) -> Result<Config, ConfigError> {
    let named = file.is_some();
    let path = file.unwrap_or_else(|| PathBuf::from(DEFAULT_PATH));
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(Some((&path.display().to_string(), &text)), environment),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => {
            parse(None, environment)
        }
        Err(source) => Err(ConfigError::Unreadable { path, source }),
    }
}

fn set(
    config: &mut Config,
    place: &str,
    name: &str,
    value: &Value,
    problems: &mut Vec<ConfigProblem>,
) {
    let outcome = match KEYS.iter().find(|key| key.name == name) {
        Some(key) => (key.set)(config, value),
        None => Err(unknown(name, KEYS.iter().map(|key| key.name.to_owned()))),
    };
    if let Err(what) = outcome {
        problems.push(ConfigProblem {
            place: place.to_owned(),
            key: name.to_owned(),
            what,
        });
    }
}

fn unknown(name: &str, known: impl Iterator<Item = String>) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None => "unknown key".to_owned(),
    }
}

/// The known name that looks most like `name`.
pub(crate) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known.min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate))
}

/// Tables become dotted names; everything else is a value.
fn flatten(prefix: &str, table: &toml::Table, flat: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) => flatten(&name, inner, flat),
            other => flat.push((name, other.clone())),
        }
    }
}

/// A variable's text, typed as TOML would type it: `true`, `12`, and all else as text.
fn from_text(text: &str) -> Value {
    if let Ok(flag) = text.parse::<bool>() {
        Value::Boolean(flag)
    } else if let Ok(number) = text.parse::<i64>() {
        Value::Integer(number)
    } else {
        Value::String(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_environment_goes_over_the_file_and_the_file_over_the_defaults() {
        let text = "listen = \"127.0.0.1:1\"\n[health]\ninterval_secs = 7\nstability_secs = 8\n";
        let config = parse(
            Some(("a.toml", text)),
            environment(&[
                ("ARCHIPELAGO_HEALTH_INTERVAL_SECS", "9"),
                ("ARCHIPELAGO_REQUIRE_TOKEN", "false"),
                ("ARCHIPELAGO_CONFIG", "/x"),
                ("PATH", "/bin"),
            ]),
        )
        .expect("good");
        assert_eq!(config.health.interval, Duration::from_secs(9));
        assert_eq!(config.health.stability, Duration::from_secs(8));
        assert_eq!(config.listen.port(), 1);
        assert!(!config.require_token);
        assert_eq!(config.health.max_restart_attempts, 10);
    }

    #[test]
    fn variables_of_the_tools_are_not_settings_and_others_are_errors() {
        let tools = [
            ("ARCHIPELAGO_LAB_BASE", "x"),
            ("ARCHIPELAGO_NODE", "x"),
            ("ARCHIPELAGO_NODE_SSH", "x"),
            ("ARCHIPELAGO_TEST_KEEP", "1"),
        ];
        assert_eq!(
            parse(None, environment(&tools)).expect("good"),
            Config::default()
        );
        for variable in ["ARCHIPELAGO_LABEL", "ARCHIPELAGO_TESTS", "ARCHIPELAGO_NO"] {
            let error = parse(None, environment(&[(variable, "x")])).expect_err(variable);
            assert!(error.to_string().contains("did you mean `ARCHIPELAGO_"));
        }
    }

    #[test]
    fn all_problems_come_at_once_and_unknown_keys_name_the_nearest() {
        let text = "listne = \"x\"\nstate_dir = \"here\"\n[health]\ninterval_secs = 0\n";
        let Err(ConfigError::Problems { problems }) = parse(
            Some(("a.toml", text)),
            environment(&[("ARCHIPELAGO_STATEDIR", "/x")]),
        ) else {
            panic!("must be refused");
        };
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 4, "{text:#?}");
        assert!(
            text.iter()
                .any(|line| line.contains("did you mean `listen`"))
        );
        assert!(
            text.iter()
                .any(|line| line.contains("did you mean `ARCHIPELAGO_STATE_DIR`"))
        );
        assert!(text.iter().any(|line| line.contains("at least 1, not 0")));
        assert!(
            text.iter()
                .any(|line| line.contains("not an absolute path"))
        );
    }
}
