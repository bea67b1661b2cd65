//! The target `lab`: real podman under a real systemd, the real archipelago binary as `archipelago.service`.

use std::path::PathBuf;
use std::time::Duration;

use archipelago_lab::host::{CgroupFacts, Files};
use archipelago_lab::image::Flavour;
use archipelago_lab::{Lab, lab::LabError};
use async_trait::async_trait;
use axum::body::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http;
use crate::lab_registry;
use crate::registry::Scenario;
use crate::stage::Stage;
use crate::target::{Call, Fault, Need, Output, Remote, Target};

/// The port archipelago listens on in the lab.
const PORT: u16 = 5678;
/// What a lab needs beside the shipped unit: the fixture images first, and no word from podman on an old cgroup layout.
const DROP_IN: &str =
    "[Unit]\nAfter=lab-images.service\n[Service]\nEnvironment=PODMAN_IGNORE_CGROUPSV1_WARNING=1\n";
/// How long the daemon may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// How long a call may take: an install pulls, starts and watches.
const CALL: Duration = Duration::from_secs(120);

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

/// Why labs on this host cannot give what a scenario needs. Reads facts of the host, touches no engine.
pub(crate) fn cannot(need: Need) -> Option<String> {
    match need {
        // A lab is killed and started again: that works wherever labs do.
        Need::PowerLoss => None,
        // Every lab has it as PID 1.
        Need::Systemd => None,
        // Programs run in it, and one flavour of the image has a registry that answers for docker.io.
        Need::Http | Need::Catalog => None,
        Need::Registry => archipelago_lab::lab::registry_missing(),
        Need::MemoryLimit => match CgroupFacts::read(&Files::host()) {
            Ok(facts) if facts.memory_controller => None,
            Ok(_) => Some(
                "containers' memory cannot be limited here: `cargo lab doctor` says how to mend it"
                    .to_owned(),
            ),
            // Not known is not "no": the trial will tell.
            Err(_) => None,
        },
    }
}

/// Runs a scenario in a fresh lab; on failure keeps all that can be learned of it.
pub(crate) fn run(scenario: &Scenario) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let lab = start(scenario)
            .await
            .map_err(|error| format!("{error:?}\n{}", archipelago_lab::chain(&error)))?;
        let shared = std::sync::Arc::new(tokio::sync::Mutex::new(Open {
            lab: Some(lab),
            way: None,
        }));
        let node = Node {
            lab: shared.clone(),
        };
        let mut stage = Stage::new(Box::new(node));
        let outcome = async {
            node_answers(&shared).await?;
            (scenario.run)(&mut stage).await
        }
        .await;
        let lab = shared.lock().await.lab.take();
        let Some(lab) = lab else {
            return outcome;
        };
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(format!("{error}\n\n{}", kept(&lab, scenario, &stage).await)),
        };
        let stopped = lab
            .stop()
            .await
            .map_err(|error| archipelago_lab::chain(&error));
        outcome.and(stopped)
    })
}

async fn start(scenario: &Scenario) -> Result<Lab, LabError> {
    let config = format!(
        "listen = \"0.0.0.0:{PORT}\"\n\n[health]\ninterval_secs = {}\nmax_restart_attempts = {}\nslow_lane_secs = {}\nevents = {}\n\n[install]\nstay_up_secs = 1\n",
        scenario.look_every, scenario.attempts, scenario.slow_lane, scenario.events
    );
    let mut builder = Lab::builder();
    if scenario.needs.contains(&Need::Registry) {
        builder = lab_registry::bring(builder);
    }
    if scenario.needs.contains(&Need::Catalog) {
        // It has a registry that answers for docker.io.
        builder = builder.flavour(Flavour::Node);
    }
    builder
        .name(scenario.name().replace("::", "-"))
        .program(
            env!("CARGO_BIN_EXE_archipelago"),
            "/usr/local/bin/archipelago",
        )
        .file("/etc/archipelago/archipelago.toml", config)
        // The unit that is shipped, in place of the one that labs have for whoever brings a daemon by hand.
        .file(
            "/etc/systemd/system/archipelago.service",
            include_str!("../../systemd/archipelago.service"),
        )
        .file(
            "/etc/systemd/system/archipelago.service.d/lab.conf",
            DROP_IN,
        )
        .publish(PORT)
        .start()
        .await
}

/// Keeps the evidence; says where it lies and what the containers were doing.
async fn kept(lab: &Lab, scenario: &Scenario, stage: &Stage) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("target/lab")
        .join(scenario.name().replace("::", "-"));
    let evidence = match lab.evidence(&folder).await {
        Ok(evidence) => evidence,
        Err(error) => return format!("no evidence: {}", archipelago_lab::chain(&error)),
    };
    let timeline = folder.join("timeline.txt");
    let noted = std::fs::write(&timeline, stage.timeline.join("\n") + "\n");
    let mut text = String::from("what the containers were doing:\n");
    for line in evidence.summary.iter().take(4) {
        text.push_str(&format!("  {line}\n"));
    }
    if evidence.summary.len() > 4 {
        text.push_str(&format!("  and {} more\n", evidence.summary.len() - 4));
    }
    if let Err(error) = noted {
        text.push_str(&format!("no timeline: {error}\n"));
    }
    text.push_str(&format!("evidence: {}", folder.display()));
    text
}

/// The lab, shared with whoever collects the evidence in the end.
type Shared = std::sync::Arc<tokio::sync::Mutex<Open>>;

/// A lab, until it is taken for stopping, and what is known of it.
struct Open {
    lab: Option<Lab>,
    way: Option<Way>,
}

struct Node {
    lab: Shared,
}

/// Where archipelago answers and by what token. Asked once a boot: each question to the lab costs an exec.
#[derive(Debug, Clone)]
struct Way {
    address: std::net::SocketAddr,
    token: String,
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

/// Waits until archipelago answers.
async fn node_answers(shared: &Shared) -> Result<(), String> {
    let deadline = Instant::now() + ANSWER;
    loop {
        let last = match call(shared, "system.health", json!({})).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error,
        };
        if Instant::now() > deadline {
            return Err(format!(
                "archipelago did not answer system.health within {} s; last seen: {last}",
                ANSWER.as_secs()
            ));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn way(shared: &Shared) -> Result<Way, String> {
    let mut guard = shared.lock().await;
    if let Some(way) = &guard.way {
        return Ok(way.clone());
    }
    let lab = guard.lab.as_ref().ok_or("the lab is gone")?;
    let token = lab
        .read_file("/var/lib/archipelago/secrets/rpc-token")
        .await
        .map_err(chain)?;
    let way = Way {
        address: lab.published_port(PORT).await.map_err(chain)?,
        token: String::from_utf8_lossy(&token).trim().to_owned(),
    };
    guard.way = Some(way.clone());
    Ok(way)
}

async fn call(
    shared: &Shared,
    method: &str,
    params: Value,
) -> Result<Result<Value, Value>, String> {
    let Way { address, token } = way(shared).await?;
    let request = http::call(&address.to_string(), &token, method, &params)?;
    let exchange =
        async { http::result_of(http::send(connect(address).await?, request).await?).await };
    tokio::time::timeout(CALL, exchange)
        .await
        .unwrap_or_else(|_| {
            Err(format!(
                "{method} was not answered within {} s",
                CALL.as_secs()
            ))
        })
}

async fn connect(address: std::net::SocketAddr) -> Result<tokio::net::TcpStream, String> {
    let stream = tokio::net::TcpStream::connect(address).await;
    stream.map_err(|error| format!("connect to {address}: {error}"))
}

/// Makes the fixture app in a container do something, by its own command.
pub(crate) async fn poke(target: &dyn Target, fault: Fault<'_>) -> Result<(), String> {
    let code;
    let (container, what) = match fault {
        Fault::EatMemory { container } => (container, vec!["oom"]),
        Fault::Exit {
            container,
            code: wanted,
        } => {
            code = wanted.to_string();
            (container, vec!["exit", code.as_str()])
        }
        Fault::Sick { container } => (container, vec!["unhealthy"]),
        Fault::Kill { .. } | Fault::KillBoth { .. } | Fault::DiskFull | Fault::DiskFree => {
            return Err(format!("no app can do that to itself: {fault:?}"));
        }
    };
    let argv = [&["exec", container, "/fixture", "poke"], what.as_slice()].concat();
    let output = target.podman(&argv).await?;
    if output.code == 0 {
        Ok(())
    } else {
        Err(format!("`{container}` cannot be poked: {}", output.stderr))
    }
}

/// Kills the main process of the container `$1`.
const KILL: &str = "kill -KILL \"$(podman inspect --format '{{.State.Pid}}' \"$1\")\"";
/// The same, and podman's monitor of it first: nobody tells podman.
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
        let show = [
            "systemctl",
            "show",
            "--property=MainPID",
            "--value",
            "archipelago.service",
        ];
        let pid = lab.succeed(&show).await.map_err(chain)?;
        Ok(pid.trim().to_owned())
    }
}

#[async_trait]
impl Target for Node {
    async fn rpc(&self, method: &str, params: Value) -> Result<Result<Value, Value>, String> {
        call(&self.lab, method, params).await
    }

    async fn begin(&self, method: &str, params: Value) -> Result<Call, String> {
        let (shared, method) = (self.lab.clone(), method.to_owned());
        Ok(tokio::spawn(
            async move { call(&shared, &method, params).await },
        ))
    }

    async fn kill_daemon(&mut self) -> Result<(), String> {
        let before = self.daemon_pid().await?;
        self.shell("kill -KILL \"$1\"", &[&before]).await?;
        // systemd starts it again; until then the old one's port may still seem to answer.
        let deadline = Instant::now() + ANSWER;
        loop {
            let now = self.daemon_pid().await?;
            if now != before && now != "0" {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("systemd did not start the daemon again; pid {now}"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        node_answers(&self.lab).await
    }

    async fn open(&self, path: &str) -> Result<(u16, Body), String> {
        let Way { address, token } = way(&self.lab).await?;
        let request = http::get(&address.to_string(), Some(&token), path)?;
        let open = async {
            let answer = http::send(connect(address).await?, request).await?;
            Ok((answer.status().as_u16(), answer.into_body()))
        };
        tokio::time::timeout(CALL, open).await.unwrap_or_else(|_| {
            Err(format!(
                "{path} was not answered within {} s",
                CALL.as_secs()
            ))
        })
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
        // A temporary file may be gone by the time it is read.
        let script = "cd /var/lib/archipelago && find . -type f | while read -r f; do content=$(cat \"$f\" 2>/dev/null) || continue; printf '%s\\0%s\\0' \"${f#./}\" \"$content\"; done";
        let text = lab.succeed(&["sh", "-ec", script]).await.map_err(chain)?;
        let mut parts = text.split('\0');
        let mut files = Vec::new();
        while let (Some(path), Some(content)) = (parts.next(), parts.next()) {
            files.push((path.to_owned(), content.to_owned()));
        }
        Ok(files)
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
        node_answers(&self.lab).await
    }

    async fn power_loss(&mut self) -> Result<(), String> {
        {
            let mut guard = self.lab.lock().await;
            // Docker publishes on another port after a restart.
            guard.way = None;
            let lab = guard.lab.as_ref().ok_or("the lab is gone")?;
            lab.power_loss().await.map_err(chain)?;
        }
        node_answers(&self.lab).await
    }

    async fn inject(&self, fault: Fault<'_>) -> Result<(), String> {
        match fault {
            Fault::EatMemory { .. } | Fault::Exit { .. } | Fault::Sick { .. } => {
                poke(self, fault).await
            }
            Fault::Kill { container } => self.shell(KILL, &[container]).await,
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
        lab.succeed(&[
            "systemctl",
            "kill",
            "--kill-who=main",
            "--signal=USR1",
            "archipelago.service",
        ])
        .await
        .map_err(chain)?;
        Ok(())
    }
}
