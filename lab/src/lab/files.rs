//! Files in a lab.

use bollard::query_parameters::UploadToContainerOptionsBuilder;

use super::{Lab, LabError, refused};
use crate::image::archive;

impl Lab {
    /// The content of a file; an error that quotes `cat` if there is none.
    pub async fn read_file(&self, path: &str) -> Result<Vec<u8>, LabError> {
        let output = self.exec(&["cat", "--", path]).await?;
        if output.code == 0 {
            return Ok(output.stdout);
        }
        Err(LabError::ExecFailed {
            lab: self.id.clone(),
            command: format!("cat {path}"),
            code: output.code,
            stderr: output.stderr_text().trim_end().to_owned(),
        })
    }

    /// Writes a file (0644, root), making its folders. The path is absolute.
    pub async fn write_file(&self, path: &str, content: &[u8]) -> Result<(), LabError> {
        let mut tar = tar::Builder::new(Vec::new());
        let packed = archive::append(&mut tar, path.trim_start_matches('/'), 0o644, content)
            .and_then(|()| tar.into_inner())
            .map_err(|source| LabError::Io {
                action: format!("pack `{path}`"),
                source,
            })?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        self.docker
            .upload_to_container(
                &self.container,
                Some(options),
                bollard::body_full(packed.into()),
            )
            .await
            .map_err(refused(&self.id, "write a file in"))
    }
}
