//! What a command answers.

use crate::container::runtime::CommandOutput;

/// A command's output and exit code.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Reply {
    /// Exit code 0, nothing printed.
    pub(super) fn silent() -> Self {
        Self::default()
    }

    /// Exit code 0 and one line.
    pub(super) fn line(text: impl AsRef<str>) -> Self {
        Self::stdout(format!("{}\n", text.as_ref()))
    }

    /// Exit code 0 and this text.
    pub(super) fn stdout(stdout: String) -> Self {
        Self {
            stdout,
            ..Self::default()
        }
    }

    /// Only an exit code: the answer of `… exists`.
    pub(super) fn yes_or_no(yes: bool) -> Self {
        Self {
            code: i32::from(!yes),
            ..Self::default()
        }
    }
}

impl Reply {
    /// One of several things did not go: podman's `Error: …`, and the exit code, where 125 is for what has none of its own.
    pub(super) fn fail(&mut self, code: i32, text: impl AsRef<str>) {
        if code != 125 || self.code == 0 {
            self.code = code;
        }
        self.stderr.push_str(&format!("Error: {}\n", text.as_ref()));
    }

    /// Of a command for several things: what was done for one of them. Where podman refuses, its words and its exit code are
    /// kept, and it goes on with the others.
    pub(super) fn keep<T>(&mut self, done: Result<T, Refused>) -> Result<Option<T>, Refused> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(Refused::ByPodman(refused)) => {
                self.code = refused.code;
                self.stdout.push_str(&refused.stdout);
                self.stderr.push_str(&refused.stderr);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}

/// What podman prints of several things that are not there: the first is its error, the others stand before it, each after
/// `other`. Empty where none is missing.
pub(super) fn misses(texts: &[String], other: &str) -> String {
    let Some((first, others)) = texts.split_first() else {
        return String::new();
    };
    let mut lines: String = others
        .iter()
        .map(|text| format!("{other}{text}\n"))
        .collect();
    lines.push_str(&format!("Error: {first}\n"));
    lines
}

impl From<Reply> for CommandOutput {
    fn from(reply: Reply) -> Self {
        Self {
            code: reply.code,
            stdout: reply.stdout.into_bytes(),
            stderr: reply.stderr.into_bytes(),
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(super) enum Refused {
    /// podman says no.
    ByPodman(Reply),
    /// The mock cannot tell what podman would say.
    NotImplemented(String),
    /// Somebody killed the client.
    Killed,
    /// The machine went down while the command ran.
    PowerLost,
}

/// What a command answers.
pub(super) type Answer = Result<Reply, Refused>;

/// podman's `Error: …` with an exit code.
pub(super) fn refuse(code: i32, text: impl AsRef<str>) -> Refused {
    Refused::ByPodman(Reply {
        code,
        stdout: String::new(),
        stderr: format!("Error: {}\n", text.as_ref()),
    })
}

/// Something the mock does not know; `what` quotes it.
pub(super) fn not_implemented(what: impl AsRef<str>) -> Refused {
    Refused::NotImplemented(format!("mock_podman does not implement {}", what.as_ref()))
}
