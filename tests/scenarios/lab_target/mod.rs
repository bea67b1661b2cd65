//! The target `lab`: real podman under a real systemd, the real archipelago binary as `archipelago.service`.

mod answer;
mod trial;

use std::time::Duration;

use archipelago_lab::{Lab, lab::LabError};
use async_trait::async_trait;
use axum::body::Body;
use serde_json::Value;
use tokio::time::Instant;

use crate::target::{Call, Fault, Output, Remote, Target};
use crate::{fixture, inside, lab_registry};

pub(crate) use trial::{cannot, run};

/// The port archipelago listens on in the lab.
const PORT: u16 = 5678;
/// Between two looks at a daemon that is being started.
const LOOK: Duration = Duration::from_millis(10);
/// Notes its arguments and variables, then is podman.
const WATCHED_PODMAN: &str = "#!/bin/sh\n{ printf '%s\\n' \"$@\"; env; } >> /run/podman-calls\nexec /usr/bin/podman \"$@\"\n";
/// Prints where a line of `/run/searched` is to be seen.
const SEARCH: &str = r#"
has() { grep --quiet --text --fixed-strings --file=/run/searched "$@"; }
test -s /run/podman-calls || echo "nothing was noted of podman"
if has /run/podman-calls; then echo "a call of podman"; fi
if journalctl --no-pager --output=export | has; then echo "the journal"; fi
for process in /proc/[0-9]*; do
    name=$(cat "$process/comm" 2>/dev/null) || continue
    if has "$process/cmdline" 2>/dev/null; then echo "arguments of $name"; fi
    # An app has its own secrets.
    test "$name" = fixture && continue
    if has "$process/environ" 2>/dev/null; then echo "variables of $name"; fi
done
grep --recursive --files-with-matches --text --fixed-strings --no-messages --file=/run/searched \
    --exclude=searched --exclude-dir=secrets --exclude-dir=containers --exclude-dir=crun --exclude-dir=libpod \
    /var/lib/archipelago /etc /run /tmp /root /var/log /var/tmp || test $? -le 2
"#;

/// The lab, shared with whoever collects the evidence in the end.
type Shared = std::sync::Arc<tokio::sync::Mutex<Open>>;

/// A lab, until it is taken for stopping, and what is known of it.
struct Open {
    lab: Option<Lab>,
    way: Option<answer::Way>,
}

struct Node {
    lab: Shared,
}

macro_rules! lab {
    ($shared:expr, $lab:ident) => {
        let guard = $shared.lock().await;
        let $lab = guard.lab.as_ref().ok_or("the lab is gone")?;
    };
}

fn chain(error: LabError) -> String {
    archipelago_lab::chain(&error)
}

/// Kills podman's monitor of the container `$1`, and then its main process: nobody tells podman.
const KILL_BOTH: &str = "set -- $(podman inspect --format '{{.State.ConmonPid}} {{.State.Pid}}' \"$1\") && kill -KILL \"$1\" && kill -KILL \"$2\"";
/// Prints the status of `GET $2` on port `$1`; nothing else in a lab speaks HTTP by hand.
const GET: &str = r#"exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3 && read -r _ status _ <&3 && echo "$status""#;
/// Puts a small file system with the same files over the state folder, and fills it to the last byte.
const FILL: &str = "cd /var/lib/archipelago && mkdir /run/small && mount -t tmpfs -o size=256k,mode=700 small /run/small && cp -a . /run/small && mount --bind /run/small /var/lib/archipelago && ! dd if=/dev/zero of=/var/lib/archipelago/filler bs=1k 2>/dev/null";

impl Node {
    /// Runs a shell script with these arguments.
    async fn shell(&self, script: &str, arguments: &[&str]) -> Result<(), String> {
        lab!(self.lab, lab);
        let argv = [&["sh", "-ec", script, "sh"], arguments].concat();
        lab.succeed(&argv).await.map_err(chain)?;
        Ok(())
    }

    /// The daemon's pid; 0 while there is none.
    async fn daemon_pid(&self) -> Result<String, String> {
        lab!(self.lab, lab);
        let pid = lab.succeed(&inside::DAEMON_PID).await.map_err(chain)?;
        Ok(pid.trim().to_owned())
    }
}

#[async_trait]
impl Target for Node {
    async fn rpc(&self, method: &str, params: Value) -> Result<Result<Value, Value>, String> {
        answer::call(&self.lab, method, params).await
    }

    async fn begin(&self, method: &str, params: Value) -> Result<Call, String> {
        let (shared, method) = (self.lab.clone(), method.to_owned());
        Ok(tokio::spawn(async move {
            answer::call(&shared, &method, params).await
        }))
    }

    async fn kill_daemon(&mut self) -> Result<(), String> {
        let before = self.daemon_pid().await?;
        self.shell("kill -KILL \"$1\"", &[&before]).await?;
        // systemd starts it again; until then the old one's port may still seem to answer.
        let deadline = Instant::now() + answer::ANSWER;
        loop {
            let now = self.daemon_pid().await?;
            if now != before && now != "0" {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("systemd did not start the daemon again; pid {now}"));
            }
            tokio::time::sleep(LOOK).await;
        }
        answer::of_daemon(&self.lab).await
    }

    async fn open(&self, path: &str) -> Result<(u16, Body), String> {
        answer::open(&self.lab, path).await
    }

    async fn podman(&self, argv: &[&str]) -> Result<Output, String> {
        lab!(self.lab, lab);
        let output = lab.podman(argv).await.map_err(chain)?;
        Ok(Output {
            code: output.code,
            stdout: output.stdout_text(),
            stderr: output.stderr_text(),
        })
    }

    async fn shell(&self, argv: &[&str]) -> Result<Output, String> {
        lab!(self.lab, lab);
        let output = lab.exec(argv).await.map_err(chain)?;
        Ok(Output {
            code: output.code,
            stdout: output.stdout_text(),
            stderr: output.stderr_text(),
        })
    }

    async fn http_status(&self, port: u16, path: &str) -> Result<Result<u16, String>, String> {
        lab!(self.lab, lab);
        let port = port.to_string();
        let output = lab.exec(&["bash", "-c", GET, "bash", &port, path]).await;
        let output = output.map_err(chain)?;
        let status = output.stdout_text().trim().parse();
        Ok(status.map_err(|_| output.stderr_text()))
    }

    async fn journal(&self) -> Result<String, String> {
        lab!(self.lab, lab);
        let argv = [
            "journalctl",
            "--quiet",
            "--output=cat",
            "--unit=archipelago",
        ];
        lab.succeed(&argv).await.map_err(chain)
    }

    async fn add_app(&self, id: &str, manifest: &str) -> Result<(), String> {
        lab!(self.lab, lab);
        lab.write_file(
            &format!("/etc/archipelago/apps/{id}.toml"),
            manifest.as_bytes(),
        )
        .await
        .map_err(chain)
    }

    async fn state_files(&self) -> Result<Vec<(String, String)>, String> {
        lab!(self.lab, lab);
        let argv = ["sh", "-ec", inside::STATE, "sh", "none"];
        let text = lab.succeed(&argv).await.map_err(chain)?;
        Ok(inside::files(&text))
    }

    async fn watch_podman(&self) -> Result<(), String> {
        lab!(self.lab, lab);
        // Before `/usr/bin` on the daemon's path. A process that is over in a moment cannot be looked at in `/proc`.
        lab.write_file("/usr/local/bin/podman", WATCHED_PODMAN.as_bytes())
            .await
            .map_err(chain)?;
        lab.succeed(&["chmod", "+x", "/usr/local/bin/podman"])
            .await
            .map_err(chain)?;
        Ok(())
    }

    async fn leaks(&self, texts: &[&str]) -> Result<Vec<String>, String> {
        lab!(self.lab, lab);
        // In a file: as arguments of the search they would be found.
        lab.write_file("/run/searched", (texts.join("\n") + "\n").as_bytes())
            .await
            .map_err(chain)?;
        let found = lab.succeed(&["sh", "-ec", SEARCH]).await.map_err(chain)?;
        Ok(found.lines().map(str::to_owned).collect())
    }

    async fn restart_daemon(&mut self) -> Result<(), String> {
        {
            lab!(self.lab, lab);
            lab.succeed(&["systemctl", "restart", "archipelago.service"])
                .await
                .map_err(chain)?;
        }
        answer::of_daemon(&self.lab).await
    }

    async fn power_loss(&mut self) -> Result<(), String> {
        {
            let mut guard = self.lab.lock().await;
            // Docker publishes on another port after a restart.
            guard.way = None;
            let lab = guard.lab.as_ref().ok_or("the lab is gone")?;
            lab.power_loss().await.map_err(chain)?;
        }
        answer::of_daemon(&self.lab).await
    }

    async fn inject(&self, fault: Fault<'_>) -> Result<(), String> {
        match fault {
            Fault::EatMemory { .. } | Fault::Exit { .. } | Fault::Sick { .. } => {
                fixture::poke(self, fault).await
            }
            Fault::Kill { container } => self.shell(inside::KILL, &[container]).await,
            Fault::KillBoth { container } => self.shell(KILL_BOTH, &[container]).await,
            Fault::DiskFull => self.shell(FILL, &[]).await,
            Fault::DiskFree => self.shell("rm /var/lib/archipelago/filler", &[]).await,
        }
    }

    async fn registry(&self) -> Result<Remote, String> {
        self.shell(lab_registry::FILL, &[lab_registry::IMAGE])
            .await?;
        Ok(Remote {
            image: lab_registry::IMAGE.to_owned(),
            tells_bytes: true,
        })
    }

    async fn registry_hangs(&self) -> Result<(), String> {
        self.shell("systemctl kill --signal=STOP registry", &[])
            .await?;
        Ok(())
    }

    async fn closed_registry(&self, image: &str) -> Result<String, String> {
        Ok(format!("localhost:1/{image}"))
    }

    async fn look_now(&self) -> Result<(), String> {
        lab!(self.lab, lab);
        lab.succeed(&inside::LOOK_NOW).await.map_err(chain)?;
        Ok(())
    }
}
