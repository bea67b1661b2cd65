//! Divergences that are known and accepted, one reason each. The file stays honest: one that nothing needs is an error.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::divergence::{Divergence, Place};

/// The file `exceptions.toml`.
///
/// ```toml
/// [[exception]]
/// case = "stop::overtaken"              # its full name, or `stop::*`
/// versions = ["4.3.1"]                  # of podman
/// place = "step 3*"                     # as it is printed with a divergence; `*` is any text
/// what = "stderr"                       # likewise
/// reason = "why the two need not agree"
/// ```
#[derive(Debug, Default)]
pub struct Exceptions {
    all: Vec<Exception>,
    /// Number of an exception and the version that needed it.
    used: Mutex<BTreeSet<(usize, String)>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    case: String,
    versions: Vec<String>,
    place: String,
    what: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    exception: Vec<Exception>,
}

/// Exceptions that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExceptionsError {
    /// The file.
    #[error("cannot read `{path}`")]
    Io {
        /// Its path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, or not of this shape.
    #[error("the exceptions are no TOML of their shape")]
    Toml(#[source] Box<toml::de::Error>),
    /// One that excuses too much, or does not say why.
    #[error("the exception for `{case}`, `{what}`: {why}")]
    Vague {
        /// Its case.
        case: String,
        /// What it excuses.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Exceptions {
    /// Reads the file.
    ///
    /// # Errors
    /// Where it cannot be read, or an exception is vague.
    pub fn read(path: &Path) -> Result<Self, ExceptionsError> {
        let text = std::fs::read_to_string(path).map_err(|source| ExceptionsError::Io {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// Where an exception has no reason, no version or no file of cases.
    pub fn parse(text: &str) -> Result<Self, ExceptionsError> {
        let file: File =
            toml::from_str(text).map_err(|source| ExceptionsError::Toml(Box::new(source)))?;
        for exception in &file.exception {
            let file = exception.case.split("::").next().unwrap_or_default();
            let why = if exception.reason.trim().is_empty() {
                "it has no reason"
            } else if exception.versions.is_empty() {
                "it names no version"
            } else if file.contains('*') || !exception.case.contains("::") {
                "its case is none: FILE::CASE or FILE::* is"
            } else if exception.what.trim_matches('*').is_empty() {
                "it excuses everything"
            } else {
                continue;
            };
            return Err(ExceptionsError::Vague {
                case: exception.case.clone(),
                what: exception.what.clone(),
                why,
            });
        }
        Ok(Self {
            all: file.exception,
            used: Mutex::default(),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether this divergence is accepted; the exception is needed then.
    pub(super) fn accept(&self, divergence: &Divergence, version: &str) -> bool {
        let place = divergence.place.to_string();
        let fitting = self.all.iter().enumerate().filter(|(_, exception)| {
            exception.versions.iter().any(|known| known == version)
                && fits(&exception.case, &divergence.case)
                && fits(&exception.place, &place)
                && fits(&exception.what, &divergence.what)
        });
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let before = used.len();
        let mut is_accepted = false;
        for (index, _) in fitting {
            is_accepted = true;
            used.insert((index, version.to_owned()));
        }
        debug_assert!(used.len() >= before);
        is_accepted
    }

    /// Exceptions for cases that were all compared, in this version, and that no divergence needed. Ask when all are done.
    pub fn stale(&self, version: &str, compared: &[&str]) -> Vec<Divergence> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.all
            .iter()
            .enumerate()
            .filter(|(index, exception)| {
                exception.versions.iter().any(|known| known == version)
                    && compared.iter().any(|case| fits(&exception.case, case))
                    && !used.contains(&(*index, version.to_owned()))
            })
            .map(|(_, exception)| Divergence {
                case: exception.case.clone(),
                place: Place::Case,
                what: format!(
                    "the exception for `{}` at `{}` is needed no more: remove podman {version} from it",
                    exception.what, exception.place
                ),
                real: format!("as the mock; the reason was: {}", exception.reason),
                mock: "as real podman".to_owned(),
            })
            .collect()
    }
}

/// Whether a text is as a pattern, in which `*` is any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = rest.split('*').collect();
    let (last, parts) = parts.split_last().unwrap_or((&"", &[]));
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
        [[exception]]
        case = "stop::*"
        versions = ["5.4.2"]
        place = "step 3: *"
        what = "stdout*.State.*"
        reason = "a race"
    "#;

    fn divergence(case: &str, what: &str) -> Divergence {
        Divergence {
            case: case.into(),
            place: Place::Step(3, "podman ps".into()),
            what: what.into(),
            real: "1".into(),
            mock: "2".into(),
        }
    }

    #[test]
    fn accepts_what_it_says_and_nothing_else() {
        let exceptions = Exceptions::parse(ONE).expect("it is one");
        let fitting = divergence("stop::x", "stdout[a].State.Pid");
        assert!(exceptions.accept(&fitting, "5.4.2"));
        assert!(!exceptions.accept(&fitting, "5.8.6"));
        assert!(!exceptions.accept(&divergence("start::x", "stdout[a].State.Pid"), "5.4.2"));
        assert!(!exceptions.accept(&divergence("stop::x", "stdout[a].Name"), "5.4.2"));
        let elsewhere = Divergence {
            place: Place::Look("ps".into()),
            ..fitting
        };
        assert!(!exceptions.accept(&elsewhere, "5.4.2"));
    }

    #[test]
    fn one_that_nothing_needs_is_an_error_where_its_cases_were_compared() {
        let exceptions = Exceptions::parse(ONE).expect("it is one");
        assert_eq!(exceptions.stale("5.4.2", &["start::x"]), []);
        assert_eq!(exceptions.stale("5.8.6", &["stop::x"]), []);
        let stale = exceptions.stale("5.4.2", &["stop::x"]);
        assert_eq!(stale.len(), 1);
        assert!(
            stale[0].to_string().contains("needed no more"),
            "{}",
            stale[0]
        );
        exceptions.accept(&divergence("stop::x", "stdout[a].State.Pid"), "5.4.2");
        assert_eq!(exceptions.stale("5.4.2", &["stop::x"]), []);
    }

    #[test]
    fn vague_ones_are_refused() {
        for (from, to) in [
            ("\"a race\"", "\" \""),
            ("[\"5.4.2\"]", "[]"),
            ("\"stop::*\"", "\"*\""),
            ("\"stop::*\"", "\"*::x\""),
            ("\"stdout*.State.*\"", "\"*\""),
            ("reason", "because"),
        ] {
            Exceptions::parse(&ONE.replace(from, to)).expect_err(to);
        }
    }

    #[test]
    fn stars_are_any_text() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("a*b*", "a", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
