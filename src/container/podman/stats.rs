//! What running containers use of the machine.

use serde::Deserialize;

use super::{Call, Podman, PodmanError, Refusal};

/// What one running container uses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ContainerStats {
    /// 64 hex digits.
    #[serde(rename = "ContainerID")]
    pub id: String,
    /// Its name.
    #[serde(rename = "Name")]
    pub name: String,
    /// Processor time since its start, in nanoseconds.
    #[serde(rename = "CPUNano")]
    pub cpu_nanos: u64,
    /// Memory in use, in bytes, as podman counts it.
    #[serde(rename = "MemUsage")]
    pub memory_bytes: u64,
    /// Its limit, or the memory of the machine, in bytes.
    #[serde(rename = "MemLimit")]
    pub memory_limit_bytes: u64,
    /// Its processes and threads.
    #[serde(rename = "PIDs")]
    pub pids: u64,
}

/// A line for each container. `--format=json` gives texts for people (`1.2MB / 2GB`); this gives the numbers below them,
/// on 4.3.1 and 5.x alike.
const NUMBERS: &str = "--format={{json .ContainerStats}}";

impl Podman {
    /// What each running container of this machine uses, those of others included. One that ends meanwhile is left out.
    ///
    /// # Errors
    /// As every command.
    pub async fn stats(&self) -> Result<Vec<ContainerStats>, PodmanError> {
        let call = Call::new(["stats", "--no-stream", "--no-reset", NUMBERS]);
        let output = match self.succeed(&call).await {
            Ok(output) => output,
            // podman lists first and reads then.
            Err(error) if error.refusal() == Some(Refusal::NoSuchContainer) => {
                self.succeed(&call).await?
            }
            Err(error) => return Err(error),
        };
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                serde_json::from_str(line).map_err(|source| call.unreadable("statistics", source))
            })
            .collect()
    }
}
