//! What goes to standard output. A reader that has gone away, as of `| head`, ends the command quietly.

use std::io::{ErrorKind, Write};

use serde_json::Value;

use super::CliError;

/// Writes a text.
pub(super) fn text(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            std::process::exit(super::exit_code::SUCCESS.into())
        }
        Err(source) => Err(CliError::System {
            doing: "write to standard output",
            source,
        }),
    }
}

/// Writes JSON, indented.
pub(super) fn json(value: &Value) -> Result<(), CliError> {
    text(&format!("{value:#}\n"))
}
