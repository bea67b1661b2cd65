//! One podman command line: its arguments, its time limit, and the errors that name it.

use std::time::Duration;

use super::DEFAULT_LIMIT;
use super::error::{PodmanError, ReadError, Refusal, error_message};
use crate::container::runtime::{CommandOutput, ExecuteError};

/// One command line and its time limit.
pub(super) struct Call {
    pub(super) args: Vec<String>,
    pub(super) limit: Duration,
}

impl Call {
    pub(super) fn new(args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            args: args.into_iter().map(Into::into).collect(),
            limit: DEFAULT_LIMIT,
        }
    }

    pub(super) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Names after `--`: none of them is taken for an option.
    pub(super) fn operands<'a>(self, operands: impl IntoIterator<Item = &'a str>) -> Self {
        let mut call = self.arg("--");
        call.args.extend(operands.into_iter().map(str::to_owned));
        call
    }

    pub(super) fn labels<'a>(
        self,
        labels: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        labels.into_iter().fold(self, |call, (key, value)| {
            call.arg(format!("--label={key}={value}"))
        })
    }

    pub(super) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// For logs and errors: values of environment variables are left out, they may be private.
    pub(super) fn shown(&self) -> String {
        let mut text = "podman".to_owned();
        for arg in &self.args {
            text.push(' ');
            match arg.strip_prefix("--env=").and_then(|v| v.split_once('=')) {
                Some((key, _)) => text.push_str(&format!("--env={key}=…")),
                None if arg.is_empty() || arg.contains([' ', '"', '\'']) => {
                    text.push_str(&format!("{arg:?}"));
                }
                None => text.push_str(arg),
            }
        }
        text
    }

    /// The arguments, now that the command is started.
    pub(super) fn started(&self) -> Vec<&str> {
        tracing::debug!(command = %self.shown(), "run");
        self.args.iter().map(String::as_str).collect()
    }

    /// Waits for the command; ends it where it takes longer than it may.
    pub(super) async fn in_time<T>(
        &self,
        command: impl Future<Output = Result<T, ExecuteError>>,
    ) -> Result<T, PodmanError> {
        match tokio::time::timeout(self.limit, command).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(PodmanError::DidNotRun { source }),
            Err(_) => Err(self.timed_out()),
        }
    }

    pub(super) fn timed_out(&self) -> PodmanError {
        PodmanError::TimedOut {
            command: self.shown(),
            limit: self.limit,
        }
    }

    pub(super) fn refused(&self, output: &CommandOutput) -> PodmanError {
        let stderr_tail = error_message(&output.stderr);
        PodmanError::Refused {
            command: self.shown(),
            code: output.code,
            kind: Refusal::from_message(&stderr_tail),
            stderr_tail,
        }
    }

    pub(super) fn unreadable(
        &self,
        what: &'static str,
        source: impl Into<ReadError>,
    ) -> PodmanError {
        PodmanError::Unreadable {
            command: self.shown(),
            what,
            source: source.into(),
        }
    }
}
