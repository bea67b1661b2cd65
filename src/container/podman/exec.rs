//! Programs that are run inside a container: hooks.

use std::time::Duration;

use super::{Call, Podman, PodmanError, Refusal};

/// What a program that ran inside a container has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code. 127: the container has no such program; 126: it cannot be executed.
    pub code: i32,
    /// Standard output, as bytes.
    pub stdout: Vec<u8>,
    /// Standard error, as bytes. Where the program did not start, why.
    pub stderr: Vec<u8>,
}

impl Podman {
    /// Runs `command`, a program and its arguments, inside a running container, for at most `limit`. Any exit code of the
    /// program is a value.
    ///
    /// Everybody on this machine can read the arguments while the program runs: a secret belongs into the container's
    /// environment or files, where the program finds it.
    ///
    /// # Errors
    /// As every command; [`Refusal::NoSuchContainer`], and [`Refusal::ImproperState`] for a container that does not run.
    /// After [`PodmanError::TimedOut`] the program may still run inside the container.
    pub async fn exec(
        &self,
        container: &str,
        command: &[&str],
        limit: Duration,
    ) -> Result<ExecOutput, PodmanError> {
        // No `--`: podman 4 and 5 take it for the name of the container only where it comes first, and a name never
        // begins with a dash.
        let call = Call::new(["exec"]).arg(container).limit(limit);
        let call = command.iter().fold(call, |call, word| call.arg(*word));
        let output = self.run(&call).await?;
        let error = (output.code == 125 || output.code == 255).then(|| call.refused(&output));
        if let Some(error) = error
            && matches!(
                error.refusal(),
                Some(Refusal::NoSuchContainer | Refusal::ImproperState)
            )
        {
            return Err(error);
        }
        Ok(ExecOutput {
            code: output.code,
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}
