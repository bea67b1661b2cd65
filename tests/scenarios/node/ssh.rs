//! The one connection of a process to its node: ssh's own multiplexing. Everything goes through it.
//!
//! The master lives as long as its standard input is open, so it ends with this process, however that ends. (The crate
//! `openssh` puts its master into the background, where it outlives a process that is killed.) What is left then is a
//! folder with sockets, which the next process removes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;

use super::configuration::Configuration;
use super::error::NodeError;
use super::{refused, sockets};
use crate::target::Output;

/// How long the node may take to let us in.
const CONNECT: Duration = Duration::from_secs(15);
/// How long one command may take: podman waits for the grace of what it stops.
const COMMAND: Duration = Duration::from_secs(150);
/// The connection is lost after three times so many seconds without a sign of life.
const ALIVE_EVERY_S: u32 = 4;
/// What the other end says when it is there.
const READY: &str = "archipelago-node-ready";

pub(crate) struct Session {
    configuration: Configuration,
    folder: tempfile::TempDir,
    master: Mutex<Child>,
    /// Open as long as the connection is to be. Not the child's own: waiting for a child closes its input.
    lifeline: ChildStdin,
    /// By port of the node's loopback: where this machine reaches it.
    forwards: Mutex<BTreeMap<u16, PathBuf>>,
}

impl Session {
    /// Connects. Nothing is done on the node.
    pub(crate) async fn open(configuration: &Configuration) -> Result<Self, NodeError> {
        if !configuration.key.is_file() {
            return Err(NodeError::NoKey(configuration.key.clone()));
        }
        let folder = sockets::folder().map_err(|source| NodeError::Here {
            doing: "make a folder for the sockets of ssh",
            source,
        })?;
        let mut command = Command::new("ssh");
        command
            .args(options(configuration))
            .arg("-oControlMaster=yes")
            .arg(control(folder.path()))
            .arg("--")
            .arg(&configuration.host)
            .arg(format!("echo {READY}; exec cat >/dev/null"));
        let mut master = spawn(&mut command)?;
        let (stdout, stderr) = (master.stdout.take(), master.stderr.take());
        let lifeline = master.stdin.take().ok_or_else(|| NodeError::Here {
            doing: "hold the input of ssh",
            source: std::io::ErrorKind::BrokenPipe.into(),
        })?;
        let first = async {
            let mut line = String::new();
            if let Some(stdout) = stdout {
                // Whatever is printed before it is not ours.
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(next)) = lines.next_line().await {
                    line = next;
                    if line == READY {
                        break;
                    }
                }
            }
            line == READY
        };
        match tokio::time::timeout(CONNECT, first).await {
            Ok(true) => Ok(Self {
                configuration: configuration.clone(),
                folder,
                master: Mutex::new(master),
                lifeline,
                forwards: Mutex::default(),
            }),
            Ok(false) => {
                let mut said = String::new();
                if let Some(mut stderr) = stderr {
                    // What cannot be read is not said.
                    let _ = stderr.read_to_string(&mut said).await;
                }
                Err(refused::by(configuration, said.trim()))
            }
            Err(_) => Err(NodeError::Unreachable {
                node: refused::name(configuration),
                said: format!("nothing within {} s", CONNECT.as_secs()),
            }),
        }
    }

    pub(crate) fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Runs a command as root. What it is for is told when the connection is lost.
    pub(crate) async fn run(
        &self,
        doing: &str,
        argv: &[&str],
        stdin: &[u8],
    ) -> Result<Output, NodeError> {
        let words = ["env", "LC_ALL=C", "sudo", "-n"]
            .iter()
            .chain(argv)
            .copied();
        let line = shlex::try_join(words).map_err(|error| NodeError::Here {
            doing: "quote a command for the node's shell",
            source: std::io::Error::other(error),
        })?;
        let mut command = self.client();
        command.arg("--").arg(&self.configuration.host).arg(line);
        let work = async {
            let mut child = spawn(&mut command)?;
            if let Some(mut input) = child.stdin.take() {
                // Who does not read it all says why in other ways.
                let _ = input.write_all(stdin).await;
            }
            child
                .wait_with_output()
                .await
                .map_err(|source| NodeError::Here {
                    doing: "wait for ssh",
                    source,
                })
        };
        let output = tokio::time::timeout(COMMAND, work)
            .await
            .map_err(|_| NodeError::Late {
                doing: doing.to_owned(),
                secs: COMMAND.as_secs(),
            })??;
        let code = output.status.code().map_or(-1, i64::from);
        // ssh's own code for its own failures; a command may have it too.
        if code == 255 && self.is_lost().await {
            return Err(NodeError::Lost {
                doing: doing.to_owned(),
            });
        }
        Ok(Output {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The same for a command that has to succeed; its standard output.
    pub(crate) async fn succeed(
        &self,
        doing: &str,
        argv: &[&str],
        stdin: &[u8],
    ) -> Result<String, NodeError> {
        let output = self.run(doing, argv, stdin).await?;
        if output.code == 0 {
            return Ok(output.stdout);
        }
        Err(NodeError::Failed {
            doing: doing.to_owned(),
            code: output.code,
            said: output.stderr.trim().to_owned(),
        })
    }

    /// A socket on this machine that leads to a port of the node's loopback.
    pub(crate) async fn forward(&self, port: u16) -> Result<PathBuf, NodeError> {
        let mut forwards = self.forwards.lock().await;
        if let Some(there) = forwards.get(&port) {
            return Ok(there.clone());
        }
        let socket = self.folder.path().join(port.to_string());
        let doing = format!("forward port {port}");
        let mut command = self.client();
        command
            .arg("-Oforward")
            .arg(format!("-L{}:127.0.0.1:{port}", socket.display()))
            .arg("--")
            .arg(&self.configuration.host);
        let output = spawn(&mut command)?
            .wait_with_output()
            .await
            .map_err(|source| NodeError::Here {
                doing: "wait for ssh",
                source,
            })?;
        if !output.status.success() {
            if self.is_lost().await {
                return Err(NodeError::Lost { doing });
            }
            return Err(NodeError::Failed {
                doing,
                code: output.status.code().map_or(-1, i64::from),
                said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        forwards.insert(port, socket.clone());
        Ok(socket)
    }

    /// Whether the master is gone, or goes in a moment.
    pub(crate) async fn is_lost(&self) -> bool {
        let mut master = self.master.lock().await;
        let soon = tokio::time::timeout(Duration::from_millis(300), master.wait()).await;
        soon.is_ok()
    }

    /// Ends the connection, and waits until it has.
    pub(crate) async fn close(self) {
        let mut master = self.master.into_inner();
        drop(self.lifeline);
        let ended = tokio::time::timeout(Duration::from_secs(5), master.wait()).await;
        if ended.is_err() {
            // It is killed on drop; the folder goes with us as well.
            eprintln!("ssh did not end by itself");
        }
    }

    /// A command that uses the connection, and never makes one of its own.
    fn client(&self) -> Command {
        let mut command = Command::new("ssh");
        command
            .args(options(&self.configuration))
            .arg("-oControlMaster=no")
            .arg("-oProxyCommand=false")
            .arg(control(self.folder.path()));
        command
    }
}

/// Nothing of the user's own configuration: nothing but the environment decides where this goes.
fn options(configuration: &Configuration) -> Vec<String> {
    let mut options: Vec<String> = [
        "-F",
        "none",
        "-T",
        "-oBatchMode=yes",
        "-oStrictHostKeyChecking=accept-new",
        "-oUpdateHostKeys=no",
        "-oIdentitiesOnly=yes",
        "-oIdentityAgent=none",
        "-oControlPersist=no",
        "-oServerAliveCountMax=3",
        "-oLogLevel=ERROR",
    ]
    .map(str::to_owned)
    .to_vec();
    options.push(format!("-oServerAliveInterval={ALIVE_EVERY_S}"));
    options.push(format!("-oConnectTimeout={}", CONNECT.as_secs()));
    options.push(format!("-p{}", configuration.port));
    options.push(format!("-l{}", configuration.user));
    options.push(format!("-i{}", configuration.key.display()));
    if let Some(file) = &configuration.known_hosts {
        options.push(format!("-oUserKnownHostsFile={}", file.display()));
    }
    options
}

fn control(folder: &Path) -> String {
    format!("-oControlPath={}", folder.join("ssh").display())
}

/// In a group of its own: Ctrl-C is for this process, which then cleans up over this very connection.
fn spawn(command: &mut Command) -> Result<Child, NodeError> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|source| NodeError::Here {
            doing: "start ssh",
            source,
        })
}
