//! What is kept of a lab when a scenario fails: everything that a person at night would ask it for.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;

use super::{Lab, LabError};

/// Files and folders of the lab that are kept beside what podman says.
const STATE: [&str; 2] = ["/var/lib/archipelago", "/etc/archipelago"];

/// What was kept, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The folder.
    pub folder: PathBuf,
    /// What the containers were doing: one line each.
    pub summary: Vec<String>,
    /// What could not be had, and why.
    pub missing: Vec<String>,
}

/// The questions: file name, command line in the lab.
const QUESTIONS: [(&str, &[&str]); 9] = [
    ("ps.json", &["podman", "ps", "--all", "--format", "json"]),
    ("ps.txt", &["podman", "ps", "--all"]),
    (
        "inspect.json",
        &[
            "sh",
            "-c",
            "podman container inspect $(podman ps --all --quiet) </dev/null",
        ],
    ),
    (
        "logs.txt",
        &[
            "sh",
            "-c",
            "for name in $(podman ps --all --format '{{.Names}}'); do echo \"== $name\"; podman logs --tail 200 \"$name\" 2>&1; done",
        ],
    ),
    (
        "events.json",
        &[
            "podman",
            "events",
            "--stream=false",
            "--since",
            "1h",
            "--format",
            "json",
        ],
    ),
    (
        "objects.txt",
        &[
            "sh",
            "-c",
            "podman images; podman volume ls; podman network ls; podman secret ls",
        ],
    ),
    (
        "journal.txt",
        &["journalctl", "--no-pager", "-o", "short-precise"],
    ),
    (
        "units.txt",
        &[
            "sh",
            "-c",
            "systemctl --no-pager --failed; systemctl --no-pager list-jobs; systemctl --no-pager status archipelago.service",
        ],
    ),
    (
        "processes.txt",
        &["ps", "axfww", "-o", "pid,stat,lstart,cgroup,args"],
    ),
];

impl Lab {
    /// Writes all that can be learned of this lab into `folder`, emptying it first. What cannot be had is noted and does
    /// not keep the rest from being written.
    pub async fn evidence(&self, folder: &Path) -> Result<Evidence, LabError> {
        let io = |action: &str, path: &Path| {
            let action = format!("{action} `{}`", path.display());
            move |source| LabError::Io { action, source }
        };
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("empty", folder)(error));
            }
            _ => {}
        }
        std::fs::create_dir_all(folder).map_err(io("create", folder))?;
        let mut evidence = Evidence {
            folder: folder.to_owned(),
            summary: Vec::new(),
            missing: Vec::new(),
        };
        for (file, argv) in QUESTIONS {
            match self.exec(argv).await {
                Ok(output) => {
                    let path = folder.join(file);
                    std::fs::write(&path, &output.stdout).map_err(io("write", &path))?;
                    if output.code != 0 {
                        evidence.missing.push(format!(
                            "{file}: `{}` ended with {}: {}",
                            argv.join(" "),
                            output.code,
                            output.stderr_text().trim_end()
                        ));
                    }
                    if file == "ps.json" {
                        evidence.summary = summary(&output.stdout);
                    }
                }
                Err(error) => evidence
                    .missing
                    .push(format!("{file}: {}", crate::chain(&error))),
            }
        }
        for path in STATE {
            if let Err(error) = self.download(path, folder).await {
                evidence.missing.push(format!("{path}: {error}"));
            }
        }
        if !evidence.missing.is_empty() {
            let path = folder.join("missing.txt");
            std::fs::write(&path, evidence.missing.join("\n")).map_err(io("write", &path))?;
        }
        Ok(evidence)
    }

    /// Copies a folder of the lab below `folder`; works also on a lab that is off. Secrets stay where they are.
    async fn download(&self, path: &str, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let options = bollard::query_parameters::DownloadFromContainerOptionsBuilder::default()
            .path(path)
            .build();
        let mut bytes = Vec::new();
        let mut stream = self
            .docker
            .download_from_container(&self.container, Some(options));
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        let target = folder.join("files").join(
            Path::new(path)
                .parent()
                .and_then(|parent| parent.strip_prefix("/").ok())
                .unwrap_or(Path::new("")),
        );
        std::fs::create_dir_all(&target)?;
        for entry in tar::Archive::new(bytes.as_slice()).entries()? {
            let mut entry = entry?;
            let secret = entry
                .path()?
                .components()
                .any(|part| part.as_os_str() == "secrets");
            if !secret {
                entry.unpack_in(&target)?;
            }
        }
        Ok(())
    }
}

/// One line for each container from `podman ps --format json`: name, state, exit code, status text, image.
fn summary(ps: &[u8]) -> Vec<String> {
    let Ok(serde_json::Value::Array(containers)) = serde_json::from_slice(ps) else {
        return vec!["podman did not list the containers".into()];
    };
    if containers.is_empty() {
        return vec!["there are no containers".into()];
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
    containers
        .iter()
        .map(|container| {
            format!(
                "{}: {}, exit code {}, {}, {}",
                text(&container["Names"][0]),
                text(&container["State"]),
                container["ExitCode"],
                text(&container["Status"]),
                text(&container["Image"]),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_is_one_line_and_garbage_is_said_so() {
        let ps = br#"[{"Names":["a"],"State":"exited","ExitCode":137,"Status":"Exited (137) 2 seconds ago","Image":"i:1"}]"#;
        assert_eq!(
            summary(ps),
            ["a: exited, exit code 137, Exited (137) 2 seconds ago, i:1"]
        );
        assert_eq!(summary(b"[]"), ["there are no containers"]);
        assert_eq!(summary(b"nonsense"), ["podman did not list the containers"]);
    }
}
