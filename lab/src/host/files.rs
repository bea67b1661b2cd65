//! The rim: the only place of `host` that opens files.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{Fact, HostError, ParseError};

/// The folder below which `/proc`, `/sys`, `/dev`, `/etc` and `/lib` are looked up.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// The files of the host itself.
    pub fn host() -> Self {
        Self::below("/")
    }

    /// The files below `root`, which stands for `/`: a recorded host, or one mounted elsewhere.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where an absolute path of the host lies below the root.
    pub(super) fn locate(&self, file: impl AsRef<Path>) -> PathBuf {
        let file = file.as_ref();
        self.root.join(file.strip_prefix("/").unwrap_or(file))
    }

    /// The text of a file; bytes that are no UTF-8 become U+FFFD.
    pub(super) fn text(&self, file: impl AsRef<Path>) -> Fact<String> {
        let file = self.locate(file);
        match std::fs::read(&file) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(source) => Err(HostError::Read { file, source }),
        }
    }

    /// The text of a file, or `None` if there is no such file.
    pub(super) fn text_if_there(&self, file: impl AsRef<Path>) -> Fact<Option<String>> {
        match self.text(file) {
            Ok(text) => Ok(Some(text)),
            Err(HostError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a file and hands its text to `parse`.
    pub(super) fn parse<T>(
        &self,
        file: impl AsRef<Path>,
        parse: impl FnOnce(&str) -> Result<T, ParseError>,
    ) -> Fact<T> {
        let file = file.as_ref();
        parse(&self.text(file)?).map_err(|source| self.misread(file, source))
    }

    /// The error for a file whose text `source` complains about.
    pub(super) fn misread(&self, file: impl AsRef<Path>, source: ParseError) -> HostError {
        HostError::Parse {
            file: self.locate(file),
            source,
        }
    }

    /// Whether a file, folder or device node is there.
    pub(super) fn exists(&self, file: impl AsRef<Path>) -> Fact<bool> {
        let file = self.locate(file);
        file.try_exists()
            .map_err(|source| HostError::Read { file, source })
    }
}

/// A whole file that holds one unsigned number.
pub(super) fn number(text: &str) -> Result<u64, ParseError> {
    let text = text.trim();
    text.parse()
        .map_err(|_| ParseError::malformed("a number", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::below(folder.path());
        let error = files.parse("/proc/x", number).expect_err("no such file");
        assert!(error.to_string().ends_with("/proc/x`"), "{error}");
        std::fs::write(folder.path().join("x"), "many\n").expect("written");
        let error = files.parse("/x", number).expect_err("not a number");
        assert!(matches!(error, HostError::Parse { ref source, .. }
            if source.to_string() == "a number expected, `many` found"));
    }

    #[test]
    fn only_a_missing_file_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::below(folder.path());
        assert!(matches!(files.text_if_there("/x"), Ok(None)));
        assert!(files.text_if_there("/").is_err(), "a folder is no text");
    }
}
