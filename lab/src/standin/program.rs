//! The program under test, built by the cargo that is there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::settings::Program;
use super::{StandInError, io};
use crate::engine::service::tail;
use crate::image::inputs::source_root;
use crate::image::program::executable;

/// Builds it; its path. What is built already takes no time.
pub async fn build(program: &Program) -> Result<PathBuf, StandInError> {
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

/// Writes a copy of a program that does not have a word: every place of it is overwritten with as many other characters. So a
/// real program becomes one that does not know the name of a method, as an older one would not.
///
/// # Errors
/// The word is not in the program, or a file.
pub fn without(program: &Path, word: &str, to: &Path) -> Result<(), StandInError> {
    let read = std::fs::read(program).map_err(io(format!("read `{}`", program.display())))?;
    let Some(other) = overwritten(read, word.as_bytes()) else {
        return Err(StandInError::NoSuchWord {
            program: program.to_owned(),
            word: word.to_owned(),
        });
    };
    std::fs::write(to, other).map_err(io(format!("write `{}`", to.display())))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))
        .map_err(io(format!("make `{}` executable", to.display())))
}

/// The bytes with every place of a word overwritten; none where there is no such place.
fn overwritten(mut bytes: Vec<u8>, word: &[u8]) -> Option<Vec<u8>> {
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, word).collect();
    if word.is_empty() || places.is_empty() {
        return None;
    }
    for place in places {
        bytes[place..place + word.len()].fill(b'?');
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_word_is_overwritten_and_nothing_else() {
        let bytes = b"a word, wor, word".to_vec();
        assert_eq!(
            overwritten(bytes.clone(), b"word").unwrap(),
            b"a ????, wor, ????"
        );
        assert_eq!(overwritten(bytes.clone(), b"words"), None);
        assert_eq!(overwritten(bytes, b""), None);
    }
}
