//! Reaching a stand-in as everybody does: by ssh.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{SSH_PORT, StandIn, StandInError, io};

/// How long one look at the service may take.
const LOOK: Duration = Duration::from_secs(10);
/// How much of the service's journal an error tells.
const JOURNAL_LINES: usize = 10;
/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl StandIn {
    /// An ssh client with all that it needs to reach the node and ask nobody; the command is to be added.
    pub fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command
            // Nothing of the configuration of whoever runs this.
            .args(["-F", "/dev/null", "-o", "BatchMode=yes"])
            .args(["-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"])
            .args(["-o", "StrictHostKeyChecking=yes"])
            .args(["-o", "ConnectTimeout=10"])
            .arg("-o")
            .arg(format!(
                "UserKnownHostsFile={}",
                self.known_hosts().display()
            ))
            .arg("-i")
            .arg(self.key())
            .args(["-p", &self.port.to_string()])
            .arg(self.node())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Waits until ssh answers and, through it, the service.
    pub async fn until_it_answers(&self) -> Result<(), StandInError> {
        let mut last_seen = "nothing".to_owned();
        let looking = async {
            while let Err(seen) = self.look().await {
                last_seen = seen;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(self.deadline, looking).await.is_ok() {
            return Ok(());
        }
        let service = &self.settings.service;
        let journal = self.lab.journal(Some(&service.name), JOURNAL_LINES).await?;
        Err(StandInError::Silent {
            lab: self.lab.id().to_owned(),
            awaited: format!(
                "200 for {} on its port {}, through ssh",
                service.path, service.port
            ),
            deadline: self.deadline,
            last_seen: format!(
                "{last_seen}; the journal of {}:\n{}",
                service.name,
                journal.trim_end()
            ),
        })
    }

    /// Asks the service once, through ssh; an error says what came instead of 200.
    async fn look(&self) -> Result<(), String> {
        let answered = tokio::time::timeout(LOOK, self.ask()).await;
        let (out, err) = answered
            .map_err(|_| format!("no answer within {} s", LOOK.as_secs()))?
            .map_err(|error| crate::chain(&error))?;
        match out.lines().next() {
            Some(status) if status.split(' ').nth(1) == Some("200") => Ok(()),
            Some(other) => Err(format!("it answers `{other}`")),
            None => Err(err.trim().to_owned()),
        }
    }

    /// What the service and ssh say.
    async fn ask(&self) -> Result<(String, String), StandInError> {
        let service = &self.settings.service;
        let ssh = self.ssh();
        let mut forward = Command::new(ssh.as_std().get_program());
        // `-W` before the host, which is the last argument.
        forward
            .arg("-W")
            .arg(format!("127.0.0.1:{}", service.port))
            .args(ssh.as_std().get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = forward.spawn().map_err(io(
            "start ssh (Debian: openssh-client, Fedora: openssh-clients)",
        ))?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            service.path, service.port
        );
        // Kept open until the answer is there: ssh passes the end of input on.
        let input = child.stdin.take();
        if let Some(mut input) = input {
            let _refused = input.write_all(request.as_bytes()).await;
            let output = child.wait_with_output().await.map_err(io("run ssh"))?;
            drop(input);
            return Ok((
                String::from_utf8_lossy(&output.stdout).into_owned(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ));
        }
        Ok((String::new(), String::new()))
    }

    /// Reads where ssh is published now, and lets the list of known hosts say so.
    pub(super) async fn find_port(&mut self) -> Result<(), StandInError> {
        self.port = self.lab.published_port(SSH_PORT).await?.port();
        self.keys.know(self.port)
    }
}
