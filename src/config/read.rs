//! From file and environment to a configuration, or to everything that is wrong with them.

use std::path::PathBuf;

use toml::Value;

use super::keys::{KEYS, Key};
use super::{Config, ConfigError, ConfigProblem, DEFAULT_PATH};
use crate::nearest::nearest;

/// Variables with the prefix that are not keys of the configuration: they belong to the command line.
const COMMAND_LINE_VARIABLES: [&str; 2] = ["ARCHIPELAGO_CONFIG", "ARCHIPELAGO_TOKEN"];

/// Prefixes of variables that belong to the project's tools: a developer has them set while calling `archipelago rpc`.
const TOOL_PREFIXES: [&str; 3] = ["ARCHIPELAGO_LAB_", "ARCHIPELAGO_NODE", "ARCHIPELAGO_TEST_"];

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
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(Some((&path.display().to_string(), &text)), environment()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => from_environment(),
        Err(source) => Err(ConfigError::Unreadable { path, source }),
    }
}

/// The configuration that the environment alone gives.
///
/// # Errors
/// [`ConfigError`], with every problem at once.
pub fn from_environment() -> Result<Config, ConfigError> {
    parse(None, environment())
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
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
    use std::time::Duration;

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
