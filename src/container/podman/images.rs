//! Images: pull, with progress, and remove.

use super::{Call, PULL_LIMIT, Podman, PodmanError, Refusal, Removed};
use crate::container::runtime::{CommandOutput, OutputLine, OutputStream};

/// How far a pull is. Numbers never go back during one pull.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Layers that are there.
    pub layers_done: u64,
    /// Layers that podman has spoken of so far; more may follow.
    pub layers_total: u64,
    /// Bytes that have come over the network; 0 where podman does not count them.
    pub bytes_done: u64,
    /// Bytes of all layers spoken of so far; `None` where podman does not count them.
    pub bytes_total: Option<u64>,
}

/// So many of the last lines of standard error are kept: podman's error is the last of them.
const ERROR_LINES: usize = 50;

impl Podman {
    /// Whether the image is in local storage.
    ///
    /// # Errors
    /// As every command.
    pub async fn image_exists(&self, reference: &str) -> Result<bool, PodmanError> {
        self.exists(&Call::new(["image", "exists"]).operands([reference]))
            .await
    }

    /// Pulls an image: one attempt of ours (podman itself tries an unreachable registry four times in 3 s).
    /// The registry is asked also when the image is there already. `on_progress` is told each time something is known.
    /// Dropping the future ends the pull; what was loaded of it is kept by podman, or loaded again.
    ///
    /// # Errors
    /// As every command; the `Pull…` kinds of [`Refusal`] say what the registry answered.
    pub async fn pull(
        &self,
        reference: &str,
        on_progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Result<(), PodmanError> {
        let call = Call::new(["pull"]).operands([reference]).limit(PULL_LIMIT);
        let mut errors: Vec<String> = Vec::new();
        let mut progress = PullProgress::default();
        let mut on_line = |line: OutputLine| match line.stream {
            OutputStream::Stdout => {}
            OutputStream::Stderr => {
                if advance(&mut progress, &line.text) {
                    on_progress(progress);
                }
                if errors.len() == ERROR_LINES {
                    errors.remove(0);
                }
                errors.push(line.text);
            }
        };
        let code = self.run_by_line(&call, &mut on_line).await?;
        if code == 0 {
            return Ok(());
        }
        Err(call.refused(&CommandOutput {
            code,
            stdout: Vec::new(),
            stderr: errors.join("\n").into_bytes(),
        }))
    }

    /// Removes an image's name, and the image with its last one. Containers that were made from it go on.
    ///
    /// # Errors
    /// As every command.
    pub async fn image_remove(&self, reference: &str) -> Result<Removed, PodmanError> {
        match self
            .succeed(&Call::new(["rmi"]).operands([reference]))
            .await
        {
            Ok(_) => Ok(Removed::Done),
            Err(error) => error.already_gone(Refusal::NoSuchImage),
        }
    }
}

/// Takes a line of `podman pull` into the progress; whether it changed. Where standard error is no terminal podman writes
/// one line when it begins with a blob, and `Copying config` or `Writing manifest` when all of them are there (measured:
/// 4.3.1, 5.4.2, 5.8.6). A blob that is there already has a line too.
fn advance(progress: &mut PullProgress, line: &str) -> bool {
    let before = *progress;
    if line.starts_with("Copying blob") {
        progress.layers_total += 1;
        // A few are loaded side by side, so this is a little too few and never too many.
        progress.layers_done = progress.layers_total.saturating_sub(1);
    } else if line.starts_with("Copying config") || line.starts_with("Writing manifest") {
        progress.layers_done = progress.layers_total;
    }
    *progress != before
}
