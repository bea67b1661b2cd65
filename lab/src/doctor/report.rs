//! Checks and how they are printed.

use std::fmt;

use serde::Serialize;

use crate::host::Fact;

/// What a check says. Ordered by severity, so that the worst of several is their `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Labs run, perhaps because they cope with something by themselves.
    Good,
    /// It could not be found out.
    Unknown,
    /// Labs run, but not all of them or not as well as they could.
    Warning,
    /// No lab runs.
    Unfit,
}

impl Verdict {
    /// The word at the start of a printed line, at most five characters.
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Unknown => "?",
            Self::Warning => "warn",
            Self::Unfit => "UNFIT",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at; stable, so that programs may look for it.
    pub name: &'static str,
    /// What came out.
    pub verdict: Verdict,
    /// What was found, for a person.
    pub found: String,
    /// The command that mends it on this host; there is one with every `Warning` and `Unfit`.
    pub remedy: Option<String>,
}

impl Check {
    pub(super) fn new(name: &'static str, finding: Finding) -> Self {
        let Finding {
            verdict,
            found,
            remedy,
        } = finding;
        Self {
            name,
            verdict,
            found,
            remedy,
        }
    }
}

/// A check without its name. The constructors see to it that every failure has a remedy.
#[derive(Debug)]
pub(super) struct Finding {
    verdict: Verdict,
    found: String,
    remedy: Option<String>,
}

impl Finding {
    pub(super) fn good(found: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Good,
            found: found.into(),
            remedy: None,
        }
    }

    pub(super) fn unknown(found: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unknown,
            ..Self::good(found)
        }
    }

    pub(super) fn warning(found: impl Into<String>, remedy: String) -> Self {
        Self {
            verdict: Verdict::Warning,
            remedy: Some(remedy),
            ..Self::good(found)
        }
    }

    pub(super) fn unfit(found: impl Into<String>, remedy: String) -> Self {
        Self {
            verdict: Verdict::Unfit,
            ..Self::warning(found, remedy)
        }
    }

    /// The command that mends it if it is not right after all.
    pub(super) fn with_remedy(self, remedy: String) -> Self {
        Self {
            remedy: Some(remedy),
            ..self
        }
    }

    /// Unfit below `least`, a warning below `enough`, else good.
    pub(super) fn by_amount<N: PartialOrd>(
        amount: N,
        least: N,
        enough: N,
        found: String,
        remedy: String,
    ) -> Self {
        if amount < least {
            Self::unfit(found, remedy)
        } else if amount < enough {
            Self::warning(found, remedy)
        } else {
            Self::good(found)
        }
    }

    /// The worse of two findings; `self` if they are equally bad.
    pub(super) fn or_worse(self, other: Self) -> Self {
        if other.verdict > self.verdict {
            other
        } else {
            self
        }
    }
}

/// Judges a fact; one that could not be had is `Unknown`, with the whole chain of causes.
pub(super) fn judge<T>(fact: &Fact<T>, rule: impl FnOnce(&T) -> Finding) -> Finding {
    match fact {
        Ok(value) => rule(value),
        Err(error) => Finding::unknown(chain(error)),
    }
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

/// All checks of one host.
///
/// `Display` prints one aligned line a check, and below it the command that mends it:
///
/// ```text
/// ok     engine             podman 5.4.2 at unix:///run/podman/podman.sock
/// UNFIT  disk               1.2 GiB free at /var/lib/containers
///          mend: sudo podman image prune -f
/// ```
///
/// As JSON it is `{"fit": bool, "checks": [{"name": string, "verdict": "good" | "unknown" | "warning" | "unfit",
/// "found": string, "remedy": string | null}, …]}`, the checks always in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether labs run here: no check is `Unfit`.
    pub fit: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Report {
    /// Sums the checks up.
    pub fn new(checks: Vec<Check>) -> Self {
        Self {
            fit: checks.iter().all(|check| check.verdict != Verdict::Unfit),
            checks,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or(0);
        for check in &self.checks {
            let (word, name, found) = (check.verdict.word(), check.name, &check.found);
            writeln!(f, "{word:<5}  {name:<width$}  {found}")?;
            if let Some(remedy) = &check.remedy {
                writeln!(f, "         mend: {remedy}")?;
            }
        }
        Ok(())
    }
}
