//! The program under test, built by the cargo that is there.

use std::path::PathBuf;
use std::process::Stdio;

use super::settings::Program;
use super::{StandInError, io};
use crate::engine::service::tail;
use crate::image::inputs::source_root;

/// Builds it; its path.
pub(super) async fn build(program: &Program) -> Result<PathBuf, StandInError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = tokio::process::Command::new(cargo)
        .args(["build", "--quiet", "--package", &program.package])
        .args(["--bin", &program.bin])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(source_root())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(io("start cargo"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success()
        && let Some(path) = executable(&said)
    {
        return Ok(path);
    }
    let log = if output.status.success() {
        "cargo named no executable".to_owned()
    } else {
        tail(&String::from_utf8_lossy(&output.stderr), 15)
    };
    Err(StandInError::Build {
        package: program.package.clone(),
        log,
    })
}

/// The last program that cargo's messages name, one JSON object a line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_last_that_cargo_names() {
        let messages = "{\"reason\":\"build-script-executed\"}\nnoise\n{\"executable\":null}\n{\"executable\":\"/t/a\"}\n{\"executable\":null}";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/a")));
        assert_eq!(executable("{}"), None);
    }
}
