//! Power: a cut is an ordinary step of a test.

use std::time::Duration;

use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder,
};

use super::{Lab, LabError, PROMPT, refused};

/// Lets go of what is paused. cgroup v1 keeps frozen processes from dying: the engine would wait for them in vain.
const THAW: &str = "find /sys/fs/cgroup/freezer -name freezer.state 2>/dev/null | while read -r state; do echo THAWED > $state; done";
/// How long that may take.
const THAWED_WITHIN: Duration = Duration::from_secs(5);

impl Lab {
    /// Cuts the power and boots again: every process ends at once, `/run` is empty, disks are as they were. What podman
    /// then claims differs by version.
    pub async fn power_loss(&self) -> Result<(), LabError> {
        self.power_off().await?;
        self.power_on().await
    }

    /// Cuts the power.
    pub async fn power_off(&self) -> Result<(), LabError> {
        // A lab that hangs can lose its power too.
        let thawing = self.exec(&["sh", "-c", THAW]);
        if !matches!(
            tokio::time::timeout(THAWED_WITHIN, thawing).await,
            Ok(Ok(_))
        ) {
            tracing::debug!(lab = self.id, "what is paused was not thawed");
        }
        let options = KillContainerOptionsBuilder::default()
            .signal("KILL")
            .build();
        self.docker
            .kill_container(&self.container, Some(options))
            .await
            .map_err(refused(&self.id, "kill"))?;
        self.until_down().await
    }

    /// Boots a lab that is off, and waits until it is ready.
    pub async fn power_on(&self) -> Result<(), LabError> {
        let boots = self.boots().await + 1;
        self.docker
            .start_container(&self.container, None::<StartContainerOptions>)
            .await
            .map_err(refused(&self.id, "start"))?;
        self.until_ready(boots).await
    }

    /// Shuts the lab down in order, as `systemctl reboot` would, and boots again.
    pub async fn restart(&self) -> Result<(), LabError> {
        let options = StopContainerOptionsBuilder::default()
            .t(i32::try_from(PROMPT.as_secs()).unwrap_or(i32::MAX))
            .build();
        self.docker
            .stop_container(&self.container, Some(options))
            .await
            .map_err(refused(&self.id, "stop"))?;
        self.until_down().await?;
        self.power_on().await
    }

    async fn until_down(&self) -> Result<(), LabError> {
        let looking = async {
            loop {
                let state = self
                    .docker
                    .inspect_container(&self.container, None::<InspectContainerOptions>)
                    .await
                    .map_err(refused(&self.id, "inspect"))?
                    .state;
                // `stopped` is podman's word before it has tidied up: a start is refused until then.
                let settled = state
                    .as_ref()
                    .and_then(|state| state.status)
                    .is_none_or(|status| {
                        matches!(
                            format!("{status:?}").to_lowercase().as_str(),
                            "exited" | "dead"
                        )
                    });
                if settled && state.and_then(|state| state.running) != Some(true) {
                    return Ok(());
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PROMPT, looking)
            .await
            .unwrap_or_else(|_| {
                Err(LabError::NotReady {
                    lab: self.id.clone(),
                    awaited: "the end of all its processes".into(),
                    deadline: PROMPT,
                    last_seen: "it still runs".into(),
                })
            })
    }
}
