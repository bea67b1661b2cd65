//! Images: pull, with progress, and remove.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;

use super::{Call, PULL_LIMIT, Podman, PodmanError, Refusal, Removed};
use crate::container::runtime::{CommandOutput, OutputLine, OutputStream};
use crate::container::socket::{SocketError, rest};

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

/// podman's exit code for a pull that failed, also where the socket told so.
const PULL_REFUSED: i32 = 125;
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
        if let Some(result) = self.pull_by_socket(&call, reference, on_progress).await {
            return result;
        }
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

    /// A pull that tells bytes; `None` where the command line has to do it. A refusal is in podman's words, and the same
    /// [`Refusal`] reads them. Of some refusals podman 5 tells only the innermost cause over this API; those that cannot be
    /// read are left to the command line.
    async fn pull_by_socket(
        &self,
        call: &Call,
        reference: &str,
        on_progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Option<Result<(), PodmanError>> {
        let socket = self.socket.as_deref()?;
        let mut layers = Layers::default();
        let mut error = None;
        let mut on_line = |line: Option<&str>| {
            // What is not known here tells nothing.
            if let Some(Ok(step)) = line.map(serde_json::from_str::<Step>) {
                error = step.error.clone().or(error.take());
                if let Some(progress) = layers.advance(&step) {
                    on_progress(progress);
                }
            }
        };
        let path = rest::pull(reference);
        let pull = socket.lines(Method::POST, &path, &mut on_line);
        let Ok(result) = tokio::time::timeout(PULL_LIMIT, pull).await else {
            return Some(Err(call.timed_out()));
        };
        socket.note(&result);
        let message = match (result, error) {
            (Ok(()), None) => return Some(Ok(())),
            (_, Some(message)) | (Err(SocketError::Refused { message, .. }), None) => message,
            (Err(_), None) => return None,
        };
        match Refusal::from_message(&message) {
            Refusal::Other => None,
            kind => Some(Err(PodmanError::Refused {
                command: call.shown(),
                code: PULL_REFUSED,
                kind,
                stderr_tail: message,
            })),
        }
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

/// A line of the socket's pull, in Docker's words.
#[derive(Deserialize)]
struct Step {
    /// The beginning of a digest; at the end that of the image's id.
    #[serde(default)]
    id: String,
    #[serde(default)]
    status: String,
    #[serde(rename = "progressDetail", default)]
    detail: Detail,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize, Default)]
struct Detail {
    #[serde(default)]
    current: u64,
    #[serde(default)]
    total: u64,
}

/// The blobs of an image that is pulled over the socket: bytes that are there, bytes in all, whether it is done.
#[derive(Default)]
struct Layers(BTreeMap<String, (u64, u64, bool)>);

impl Layers {
    /// Takes a step; the progress, where it changed.
    fn advance(&mut self, step: &Step) -> Option<PullProgress> {
        let before = self.progress();
        match step.status.as_str() {
            "Pulling fs layer" => {
                self.0.entry(step.id.clone()).or_default();
            }
            "Downloading" => {
                let (done, total, _) = self.0.entry(step.id.clone()).or_default();
                *done = step.detail.current.max(*done);
                *total = step.detail.total.max(*total).max(*done);
            }
            "Already exists" => self.0.entry(step.id.clone()).or_default().2 = true,
            // The last one is of the image itself, which is no layer.
            "Download complete" | "Pull complete" => {
                if let Some((done, total, is_done)) = self.0.get_mut(&step.id) {
                    *done = *total;
                    *is_done = true;
                }
            }
            _ => {}
        }
        let after = self.progress();
        (before != after).then_some(after)
    }

    fn progress(&self) -> PullProgress {
        let sum = |of: fn(&(u64, u64, bool)) -> u64| self.0.values().map(of).sum::<u64>();
        let bytes_total = sum(|layer| layer.1);
        PullProgress {
            layers_done: sum(|layer| layer.2.into()),
            layers_total: self.0.len().try_into().unwrap_or(u64::MAX),
            bytes_done: sum(|layer| layer.0),
            bytes_total: (bytes_total > 0).then_some(bytes_total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advance(layers: &mut Layers, line: &str) -> Option<PullProgress> {
        layers.advance(&serde_json::from_str(line).expect("JSON"))
    }

    #[test]
    fn bytes_of_all_layers_are_added_and_the_image_is_no_layer() {
        let mut layers = Layers::default();
        let progress = |layers_done, layers_total, bytes_done, bytes_total| {
            Some(PullProgress {
                layers_done,
                layers_total,
                bytes_done,
                bytes_total,
            })
        };
        for (line, expected) in [
            (
                r#"{"status":"Pulling fs layer","progressDetail":{},"id":"aaa"}"#,
                progress(0, 1, 0, None),
            ),
            (
                r#"{"status":"Pulling fs layer","progressDetail":{},"id":"bbb"}"#,
                progress(0, 2, 0, None),
            ),
            (
                r#"{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"aaa"}"#,
                progress(0, 2, 10, Some(100)),
            ),
            (
                r#"{"status":"Downloading","progressDetail":{"current":5,"total":50},"id":"bbb"}"#,
                progress(0, 2, 15, Some(150)),
            ),
            (
                r#"{"status":"Downloading","progressDetail":{"current":5,"total":50},"id":"bbb"}"#,
                None,
            ),
            (
                r#"{"status":"Download complete","progressDetail":{},"id":"aaa"}"#,
                progress(1, 2, 105, Some(150)),
            ),
            (
                r#"{"status":"Already exists","progressDetail":{},"id":"ccc"}"#,
                progress(2, 3, 105, Some(150)),
            ),
            (
                r#"{"status":"Download complete","progressDetail":{},"id":"bbb"}"#,
                progress(3, 3, 150, Some(150)),
            ),
            (
                r#"{"status":"Download complete","progressDetail":{},"id":"image"}"#,
                None,
            ),
            (r#"{"stream":"words"}"#, None),
        ] {
            assert_eq!(advance(&mut layers, line), expected, "{line}");
        }
    }
}
