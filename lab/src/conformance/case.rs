//! A case: command lines that are given to two podmans, one after the other, and what else happens between them.
//!
//! ```toml
//! [[case]]
//! name = "start_of_a_running_container"   # unique in its file
//! needs = ["registry"]                    # what must be there besides podman; nothing where it is left out
//! steps = [
//!     "podman run -d --name a $FIXTURE serve 8080",
//!     "podman start a",
//! ]
//! ```
//! A step is a line of words, split as a shell splits them. `$FIXTURE` is the reference of the fixture image, `$DIR` a
//! folder that is empty at the beginning of the case, `$SINCE` the time of its beginning.
//!
//! Names of containers have a letter that is no hexadecimal digit: podman takes what is no name for the beginning of an id.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The fixture image, which every podman here has from the beginning.
pub const FIXTURE: &str = crate::image::FIXTURE_IMAGE;

/// What a case needs besides podman.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A real registry on `localhost:5000` that holds `localhost:5000/app:1`, the fixture image under another name.
    Registry,
}

/// Command lines that belong together. They begin with a podman that has nothing but the fixture image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// `FILE::CASE`, as `lifecycle::start_of_a_running_container`.
    pub name: String,
    /// What must be there besides podman.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// In their order.
    pub steps: Vec<Step>,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// `podman ARG…`: runs to its end.
    Podman(Vec<String>),
    /// `kill-client MS podman ARG…`: SIGKILL to the command after so many milliseconds.
    KillClient(u64, Vec<String>),
    /// `spawn LABEL podman ARG…`: runs beside the next steps, until `join LABEL`, whose outcome is its own.
    Spawn(String, Vec<String>),
    /// `join LABEL`.
    Join(String),
    /// `until NAME STATE`: waits until `podman inspect` shows this state of the container, 20 s at most.
    Until(String, String),
    /// `until-restarted NAME N`: waits until podman's RestartCount of the container is N and it runs, 20 s at most.
    UntilRestarted(String, u32),
    /// `until-healthy NAME WORD`: waits until the health word of the container is WORD, 20 s at most.
    UntilHealthy(String, String),
    /// `kill-process NAME`: SIGKILL to the container's main process.
    KillProcess(String),
    /// `kill-monitor NAME`: SIGKILL to the container's conmon.
    KillMonitor(String),
    /// `reboot`: the machine loses power and comes up again, `/run` empty.
    Reboot,
    /// `registry ANSWER`: from now on `localhost:5001` answers so: `down` (nothing listens), `hangs`, `cut` (closes in the
    /// middle of an answer) or a status such as `401`.
    Registry(String),
    /// `take-port N`: a process outside of podman listens on this port of 127.0.0.1, until the end of the case.
    TakePort(u16),
    /// `file NAME TEXT`: writes `$DIR/NAME`.
    File(String, String),
}

/// A corpus that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file or folder.
    #[error("cannot read `{path}`")]
    Io {
        /// Its path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, or not of this shape.
    #[error("`{path}` is no corpus file")]
    Toml {
        /// Its path.
        path: String,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// A step that is none.
    #[error("{case}: `{step}` is no step: {why}")]
    Step {
        /// The case's full name.
        case: String,
        /// The line.
        step: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two cases of one name.
    #[error("two cases are called {0}")]
    Twice(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    needs: Vec<Need>,
    steps: Vec<String>,
}

/// Reads all `*.toml` of a folder, in the order of their names.
pub fn corpus(folder: &Path) -> Result<Vec<Case>, CorpusError> {
    let io = |path: &Path| {
        let path = path.display().to_string();
        move |source| CorpusError::Io { path, source }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(io(&path))?;
        let file: File = toml::from_str(&text).map_err(|source| CorpusError::Toml {
            path: path.display().to_string(),
            source: Box::new(source),
        })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for written in file.case {
            let name = format!("{stem}::{}", written.name);
            if cases.iter().any(|case| case.name == name) {
                return Err(CorpusError::Twice(name));
            }
            let steps = written
                .steps
                .iter()
                .map(|line| {
                    Step::parse(line).map_err(|why| CorpusError::Step {
                        case: name.clone(),
                        step: line.clone(),
                        why,
                    })
                })
                .collect::<Result<_, _>>()?;
            cases.push(Case {
                name,
                needs: written.needs,
                steps,
            });
        }
    }
    Ok(cases)
}

impl Step {
    /// Reads a line.
    pub fn parse(line: &str) -> Result<Self, String> {
        let words = shell_words::split(line).map_err(|error| error.to_string())?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(match words[..] {
            ["podman", ref rest @ ..] => Self::Podman(argv(rest)),
            ["kill-client", ms, "podman", ref rest @ ..] => Self::KillClient(
                ms.parse().map_err(|_| format!("`{ms}` is no number"))?,
                argv(rest),
            ),
            ["spawn", label, "podman", ref rest @ ..] => Self::Spawn(label.into(), argv(rest)),
            ["join", label] => Self::Join(label.into()),
            ["until", name, state] => Self::Until(name.into(), state.into()),
            ["until-restarted", name, count] => Self::UntilRestarted(
                name.into(),
                count
                    .parse()
                    .map_err(|_| format!("`{count}` is no number"))?,
            ),
            ["until-healthy", name, word] => Self::UntilHealthy(name.into(), word.into()),
            ["kill-process", name] => Self::KillProcess(name.into()),
            ["kill-monitor", name] => Self::KillMonitor(name.into()),
            ["reboot"] => Self::Reboot,
            ["registry", answer] => Self::Registry(answer.into()),
            ["take-port", port] => {
                Self::TakePort(port.parse().map_err(|_| format!("`{port}` is no port"))?)
            }
            ["file", name, text] => Self::File(name.into(), text.into()),
            [] => return Err("it is empty".into()),
            [word, ..] => return Err(format!("`{word}` is nothing that can be done")),
        })
    }
}

impl std::fmt::Display for Step {
    /// The line, as it can be read again.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let podman = |argv: &[String]| {
            let words = std::iter::once("podman").chain(argv.iter().map(String::as_str));
            shell_words::join(words)
        };
        let line = |words: &[&str]| shell_words::join(words);
        let text = match self {
            Self::Podman(argv) => podman(argv),
            Self::KillClient(ms, argv) => format!("kill-client {ms} {}", podman(argv)),
            Self::Spawn(label, argv) => format!("{} {}", line(&["spawn", label]), podman(argv)),
            Self::Join(label) => line(&["join", label]),
            Self::Until(name, state) => line(&["until", name, state]),
            Self::UntilRestarted(name, count) => {
                line(&["until-restarted", name, &count.to_string()])
            }
            Self::UntilHealthy(name, word) => line(&["until-healthy", name, word]),
            Self::KillProcess(name) => line(&["kill-process", name]),
            Self::KillMonitor(name) => line(&["kill-monitor", name]),
            Self::Reboot => "reboot".into(),
            Self::Registry(answer) => line(&["registry", answer]),
            Self::TakePort(port) => format!("take-port {port}"),
            Self::File(name, text) => line(&["file", name, text]),
        };
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/corpus")
    }

    #[test]
    fn the_corpus_can_be_read_and_is_large() {
        let cases = corpus(&folder()).expect("the corpus is well-formed");
        let commands = cases
            .iter()
            .flat_map(|case| &case.steps)
            .filter(|step| matches!(step, Step::Podman(_)))
            .count();
        assert!(commands >= 200, "{commands} commands");
    }

    #[test]
    fn every_step_of_the_corpus_is_read_as_it_is_shown() {
        for case in corpus(&folder()).expect("the corpus is well-formed") {
            for step in case.steps {
                assert_eq!(
                    Step::parse(&step.to_string()),
                    Ok(step.clone()),
                    "{}: {step}",
                    case.name
                );
            }
        }
    }

    #[test]
    fn what_is_no_step_is_refused_with_its_word() {
        for (line, why) in [
            ("", "empty"),
            ("podmann ps", "`podmann`"),
            ("kill-client soon podman ps", "`soon`"),
            ("take-port 99999", "`99999`"),
            ("podman 'ps", "quote"),
        ] {
            let error = Step::parse(line).expect_err(line);
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
