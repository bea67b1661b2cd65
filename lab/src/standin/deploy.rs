//! Another program in the place of the one that runs.

use std::path::Path;

use super::{StandIn, StandInError, io};

/// Puts `$1` in the place of `$2` at once, and restarts the unit `$3`.
const DEPLOY: &str = r#"chmod 0755 "$1"; mv -f "$1" "$2"; systemctl restart "$3""#;

impl StandIn {
    /// Replaces the program under test, restarts the service, and waits until it answers.
    pub async fn deploy(&self, program: &Path) -> Result<(), StandInError> {
        let bytes = tokio::fs::read(program)
            .await
            .map_err(io(format!("read `{}`", program.display())))?;
        let at = &self.settings.program.at;
        let new = format!("{at}.new");
        self.lab.write_file(&new, &bytes).await?;
        self.script(DEPLOY, &[&new, at, &self.settings.service.name])
            .await?;
        self.until_it_answers().await
    }
}
