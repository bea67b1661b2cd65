//! A whole run: how much was compared, and what differs, by case.

use std::collections::BTreeMap;
use std::fmt;

use super::compare::compare;
use super::divergence::Divergence;
use super::exceptions::Exceptions;
use super::transcript::Transcript;

/// What came of comparing many cases on one version of podman.
#[derive(Debug, Default)]
pub struct Report {
    version: String,
    cases: Vec<String>,
    commands: usize,
    divergences: Vec<Divergence>,
}

impl Report {
    /// Nothing yet.
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            ..Self::default()
        }
    }

    /// Compares one more case.
    pub fn add(&mut self, real: &Transcript, mock: &Transcript, exceptions: &Exceptions) {
        self.cases.push(real.case.clone());
        self.commands += real.played.len() + real.after.len();
        self.divergences
            .extend(compare(real, mock, &self.version, exceptions));
    }

    /// Something else that is wrong, such as a case that could not be played.
    pub fn wrong(&mut self, divergence: Divergence) {
        self.divergences.push(divergence);
    }

    /// All cases are compared: exceptions that none of them needed are divergences, too.
    pub fn finish(&mut self, exceptions: &Exceptions) {
        let cases: Vec<&str> = self.cases.iter().map(String::as_str).collect();
        self.divergences
            .extend(exceptions.stale(&self.version, &cases));
    }

    /// How many cases were compared.
    pub fn cases(&self) -> usize {
        self.cases.len()
    }

    /// How many commands and looks were compared.
    pub fn commands(&self) -> usize {
        self.commands
    }

    /// All that differs, in the order of the cases.
    pub fn divergences(&self) -> &[Divergence] {
        &self.divergences
    }

    /// Whether something was compared and nothing differs.
    pub fn agrees(&self) -> bool {
        self.commands > 0 && self.divergences.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_case: BTreeMap<&str, usize> = BTreeMap::new();
        for divergence in &self.divergences {
            writeln!(f, "{divergence}\n")?;
            *by_case.entry(&divergence.case).or_default() += 1;
        }
        for (case, count) in &by_case {
            writeln!(f, "{count:>5} {case}")?;
        }
        write!(
            f,
            "podman {}: {} cases, {} commands and looks, {} divergences in {} cases",
            self.version,
            self.cases.len(),
            self.commands,
            self.divergences.len(),
            by_case.len()
        )?;
        if self.commands == 0 {
            write!(f, "; nothing was compared, which is no agreement")?;
        }
        Ok(())
    }
}
