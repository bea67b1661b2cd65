//! Hooks: commands that are run in a package's containers, and waited for.

use std::time::Duration;

use tokio::time::sleep;

use super::{PackageError, Packages, chain};
use crate::catalog::{HookManifest, Manifest};
use crate::container::podman::ExecOutput;

/// Between two attempts at one hook.
pub const HOOK_WAIT: Duration = Duration::from_secs(5);
/// So many of a hook's last lines an error carries.
const OUTPUT_LINES: usize = 20;

impl Packages {
    /// Runs the hooks of an install, one after the other. Not run again when only the daemon or the package is.
    pub(super) async fn run_hooks(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let count = manifest.hooks.post_install.len();
        for (place, hook) in (1..).zip(&manifest.hooks.post_install) {
            let of = format!("hook {place} of {count} in `{}`", hook.container);
            self.run_hook(&manifest.id, hook, &of).await?;
        }
        Ok(())
    }

    async fn run_hook(
        &self,
        package: &str,
        hook: &HookManifest,
        of: &str,
    ) -> Result<(), PackageError> {
        let command: Vec<&str> = hook.command.iter().map(String::as_str).collect();
        let limit = Duration::from_secs(hook.timeout_secs);
        let mut attempt = 1;
        loop {
            self.step(
                package,
                format!("running {of}, attempt {attempt} of {}", hook.attempts),
            );
            let failed = |code, output, source| PackageError::HookFailed {
                container: hook.container.clone(),
                command: hook.command.join(" "),
                attempts: attempt,
                code,
                output,
                source,
            };
            let error = match self.podman.exec(&hook.container, &command, limit).await {
                Ok(output) if output.code == 0 => return Ok(()),
                Ok(output) => failed(Some(output.code), last_lines(&output), None),
                Err(error) => failed(None, Vec::new(), Some(Box::new(error))),
            };
            tracing::warn!(package, error = chain(&error), "hook failed");
            if attempt >= hook.attempts {
                return Err(error);
            }
            attempt += 1;
            sleep(HOOK_WAIT).await;
        }
    }
}

/// The last lines of both outputs.
fn last_lines(output: &ExecOutput) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<String> = out.lines().chain(err.lines()).map(str::to_owned).collect();
    lines[lines.len().saturating_sub(OUTPUT_LINES)..].to_vec()
}
