//! The one connection of a process to its node: ssh's own multiplexing. Everything goes through it.
//!
//! The master lives as long as its standard input is open, so it ends with this process, however that ends. (The crate
//! `openssh` puts its master into the background, where it outlives a process that is killed.) What is left then is a
//! folder with sockets, which the next process removes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use archipelago_lab::session::owner::Owner;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;

use super::configuration::Configuration;
use super::error::NodeError;
use crate::target::Output;

/// How long the node may take to let us in.
const CONNECT: Duration = Duration::from_secs(15);
/// How long one command may take: podman waits for the grace of what it stops.
const COMMAND: Duration = Duration::from_secs(150);
/// The connection is lost after three times so many seconds without a sign of life.
const ALIVE_EVERY_S: u32 = 4;
/// What the other end says when it is there.
const READY: &str = "archipelago-node-ready";
/// Folders with sockets: so, then pid and start time of whose they are.
const FOLDER: &str = "archipelago-node-";
/// A longer folder leaves no room for the names of sockets.
const LONGEST: usize = 60;

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
        let folder = folder().map_err(|source| NodeError::Here {
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
                Err(refused(configuration, said.trim()))
            }
            Err(_) => Err(NodeError::Unreachable {
                node: name(configuration),
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

/// A folder for sockets. What killed processes have left of theirs goes.
fn folder() -> std::io::Result<tempfile::TempDir> {
    let mut base = std::env::temp_dir();
    if base.as_os_str().len() > LONGEST {
        base = PathBuf::from("/tmp");
    }
    for entry in std::fs::read_dir(&base)?.flatten() {
        let name = entry.file_name();
        let whose = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        if whose.is_some_and(|whose| !is_alive(whose)) {
            // Somebody else's, where it cannot be removed.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let me = Owner::current().map_err(std::io::Error::other)?;
    tempfile::Builder::new()
        .prefix(&format!("{FOLDER}{}-{}-", me.pid, me.started))
        .tempdir_in(base)
}

/// Whether the process is there that a folder's name tells of, as `12-3456-random`.
fn is_alive(whose: &str) -> bool {
    let mut parts = whose.split('-');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (Some(pid), Some(started)) = (number(), number()) else {
        // Not one of ours.
        return true;
    };
    u32::try_from(pid)
        .ok()
        .and_then(|pid| Owner::of(pid).ok())
        .is_some_and(|owner| owner.started == started)
}

fn name(configuration: &Configuration) -> String {
    format!(
        "{}@{} port {}",
        configuration.user, configuration.host, configuration.port
    )
}

/// What ssh's words mean. Its exit code is the same for all.
fn refused(configuration: &Configuration, said: &str) -> NodeError {
    let node = name(configuration);
    let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
    let short = said.lines().last().unwrap_or("nothing").to_owned();
    if has(&["Host key verification failed", "IDENTIFICATION HAS CHANGED"]) {
        let host = match configuration.port {
            22 => configuration.host.clone(),
            port => format!("[{}]:{port}", configuration.host),
        };
        let file = configuration.known_hosts.as_ref();
        let file = file.map_or(String::new(), |file| format!("-f {} ", file.display()));
        return NodeError::ChangedHostKey {
            node,
            remedy: format!("ssh-keygen {file}-R '{host}'"),
            said: short,
        };
    }
    if has(&["Permission denied", "Too many authentication failures"]) {
        return NodeError::WrongKey {
            node,
            key: configuration.key.clone(),
            said: short,
        };
    }
    if has(&[
        "Could not resolve",
        "Connection refused",
        "timed out",
        "No route to host",
        "unreachable",
    ]) {
        return NodeError::Unreachable { node, said: short };
    }
    NodeError::NoConnection { node, said: short }
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use super::*;

    crate::node::checks![
        what_ssh_says_is_told_by_what_to_do,
        folders_of_dead_processes_only_are_removed,
    ];

    fn configuration() -> Configuration {
        Configuration {
            user: "me".into(),
            host: "127.0.0.1".into(),
            port: 2222,
            key: "/keys/mine".into(),
            known_hosts: Some("/keys/known".into()),
            run: None,
        }
    }

    fn what_ssh_says_is_told_by_what_to_do() {
        let told = |said: &str| refused(&configuration(), said).to_string();
        for (said, remedy) in [
            (
                "Host key for [127.0.0.1]:2222 has changed and you have requested strict checking.\nHost key verification failed.",
                "ssh-keygen -f /keys/known -R '[127.0.0.1]:2222'",
            ),
            (
                "me@127.0.0.1: Permission denied (publickey).",
                "authorized_keys",
            ),
            (
                "ssh: connect to host 127.0.0.1 port 2222: Connection refused",
                "is it on",
            ),
            ("ssh: Could not resolve hostname nowhere", "is it on"),
            (
                "kex_exchange_identification: read: Connection reset by peer",
                "ssh says: kex",
            ),
        ] {
            assert!(told(said).contains(remedy), "{said}: {}", told(said));
        }
    }

    fn folders_of_dead_processes_only_are_removed() {
        let me = Owner::current().expect("this process");
        assert!(is_alive(&format!("{}-{}-abc", me.pid, me.started)));
        assert!(!is_alive(&format!("{}-{}-abc", me.pid, me.started + 1)));
        assert!(!is_alive("4194999-1-abc"));
        // Not ours to judge.
        assert!(is_alive("of-somebody"));
    }
}
