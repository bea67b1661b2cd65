//! What happens besides podman's commands: on a machine it is done for real, a mock is told of it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::player::PlayError;
use super::podman::{Podman, words};
use super::registry::{Answer, HOST, PORT, Registry};
use super::transcript::Outcome;

/// How long processes that end by themselves are waited for.
const SETTLING: Duration = Duration::from_secs(4);
/// How often they are looked for.
const LOOK: Duration = Duration::from_millis(20);

/// The world around podman, for one case.
#[derive(Debug)]
pub(super) enum Outside {
    /// This machine.
    Machine(Machine),
    /// What `PROGRAM mock VERB …` is told.
    Mock,
}

/// What a machine holds until the end of a case.
#[derive(Debug, Default)]
pub(super) struct Machine {
    registry: Option<Registry>,
    ports: Vec<TcpListener>,
}

/// Which of a container's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// The container's own first one.
    Main,
    /// conmon.
    Monitor,
}

impl Outside {
    /// SIGKILL to a container's process, which is gone afterwards.
    pub(super) async fn kill(
        &mut self,
        podman: &Podman,
        process: Process,
        name: &str,
    ) -> Result<Outcome, PlayError> {
        match self {
            Self::Machine(_) => {
                let field = match process {
                    Process::Main => "{{.State.Pid}}",
                    Process::Monitor => "{{.State.ConmonPid}}",
                };
                let argv = ["container", "inspect", "--format", field, name];
                let said = podman.ask(&argv).await?;
                Ok(done(kill(said.as_deref()).await))
            }
            Self::Mock => {
                let verb = match process {
                    Process::Main => "kill-process",
                    Process::Monitor => "kill-monitor",
                };
                tell(podman, &[verb, name]).await
            }
        }
    }

    /// From now on `localhost:5001` answers so.
    pub(super) async fn registry(
        &mut self,
        podman: &Podman,
        answer: &str,
    ) -> Result<Outcome, PlayError> {
        match self {
            Self::Machine(machine) => {
                machine.registry = None;
                let listening = match answer.parse() {
                    Err(why) => Err(why),
                    Ok(Answer::Down) => Ok(()),
                    Ok(answer) => listen(machine, answer).await,
                };
                Ok(done(listening))
            }
            Self::Mock => tell(podman, &["registry", HOST, answer]).await,
        }
    }

    /// A process that is none of podman's listens on this port of 127.0.0.1.
    pub(super) async fn take_port(
        &mut self,
        podman: &Podman,
        port: u16,
    ) -> Result<Outcome, PlayError> {
        match self {
            Self::Machine(machine) => {
                let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
                Ok(done(
                    taken
                        .map(|listener| machine.ports.push(listener))
                        .map_err(|error| format!("port {port}: {error}")),
                ))
            }
            Self::Mock => tell(podman, &["take-port", &port.to_string()]).await,
        }
    }

    /// Waits until what podman does by itself after an end is done: what is looked at then does not depend on luck.
    pub(super) async fn settle(&self) {
        match self {
            Self::Machine(_) => {
                let quiet = async {
                    while busy(Path::new("/proc")) {
                        tokio::time::sleep(LOOK).await;
                    }
                };
                // One that restarts for ever or is checked every second never is.
                let _never_quiet = tokio::time::timeout(SETTLING, quiet).await;
            }
            Self::Mock => {}
        }
    }
}

/// Tells a mock.
pub(super) async fn tell(podman: &Podman, verb: &[&str]) -> Result<Outcome, PlayError> {
    let argv = [&["mock"], verb].concat();
    let outcome = podman.run(&words(&argv)).await?;
    Ok(Outcome {
        code: i32::from(outcome.code != 0),
        stdout: String::new(),
        ..outcome
    })
}

/// The outcome of something that is no command.
pub(super) fn done(result: Result<(), String>) -> Outcome {
    match result {
        Ok(()) => Outcome::default(),
        Err(why) => Outcome {
            code: 1,
            stderr: why + "\n",
            ..Outcome::default()
        },
    }
}

async fn listen(machine: &mut Machine, answer: Answer) -> Result<(), String> {
    let deadline = tokio::time::Instant::now() + SETTLING;
    loop {
        match Registry::listen(answer, PORT).await {
            Ok(registry) => {
                machine.registry = Some(registry);
                return Ok(());
            }
            // The one before goes when the runtime comes to it.
            Err(error)
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => return Err(format!("port {PORT}: {error}")),
        }
    }
}

async fn kill(said: Option<&str>) -> Result<(), String> {
    let pid = said
        .and_then(|pid| pid.parse().ok())
        .filter(|&pid: &i32| pid > 1)
        .and_then(Pid::from_raw)
        .ok_or_else(|| format!("it has no such process: podman says {said:?}"))?;
    kill_process(pid, Signal::KILL).map_err(|error| format!("kill {pid:?}: {error}"))?;
    let gone = async {
        while alive(pid.as_raw_nonzero().get()) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(SETTLING, gone)
        .await
        .map_err(|_| format!("process {pid:?} does not end"))
}

/// Whether a process is there and no zombie.
fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !matches!(state(&stat), Some('Z' | 'X')))
}

/// A process's state, from its `stat`; its name may hold anything, brackets too.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether a podman runs, or a conmon whose process has ended: it is about to start one.
fn busy(proc: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(proc) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let folder = entry.path();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        match read("comm").trim() {
            "podman" => !serves(&read("cmdline")) && !matches!(state(&read("stat")), Some('Z')),
            "conmon" => {
                let pid = entry.file_name();
                let children = Path::new("task").join(pid).join("children");
                std::fs::read_to_string(folder.join(children))
                    .is_ok_and(|children| children.trim().is_empty())
            }
            _ => false,
        }
    })
}

/// Whether a podman's command line is that of the service, which stays.
fn serves(cmdline: &str) -> bool {
    let mut words = cmdline.split('\0').skip_while(|&word| word != "system");
    words.nth(1) == Some("service")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_behind_any_name() {
        assert_eq!(state("7 (a) Z (b)) S 1 7"), Some('S'));
        assert_eq!(state("7 (podman) Z 1 7"), Some('Z'));
        assert_eq!(state(""), None);
    }

    fn process(proc: &Path, pid: u32, comm: &str, cmdline: &str, children: &str) {
        let task = proc.join(format!("{pid}/task/{pid}"));
        std::fs::create_dir_all(&task).unwrap();
        std::fs::write(task.join("children"), children).unwrap();
        let folder = proc.join(pid.to_string());
        std::fs::write(folder.join("comm"), format!("{comm}\n")).unwrap();
        std::fs::write(folder.join("cmdline"), cmdline).unwrap();
        std::fs::write(folder.join("stat"), format!("{pid} ({comm}) S 1")).unwrap();
    }

    #[test]
    fn podman_and_a_conmon_without_its_container_are_waited_for() {
        let proc = tempfile::tempdir().unwrap();
        let proc = proc.path();
        process(proc, 1, "systemd", "init", "");
        process(proc, 2, "podman", "podman\0system\0service\0", "");
        process(proc, 3, "conmon", "conmon", "4 ");
        assert!(!busy(proc));
        process(proc, 3, "conmon", "conmon", "");
        assert!(busy(proc));
        process(proc, 3, "conmon", "conmon", "4");
        process(proc, 5, "podman", "podman\0container\0cleanup\0", "");
        assert!(busy(proc));
    }

    #[tokio::test]
    async fn a_container_without_a_process_has_nothing_to_be_killed() {
        for said in [None, Some("0"), Some("1"), Some("-4"), Some("")] {
            let why = kill(said).await.unwrap_err();
            assert!(why.contains("no such process"), "{why}");
        }
    }
}
