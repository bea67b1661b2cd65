//! The stand-in, looked at past ssh and past the target under test.

use std::process::Stdio;
use std::time::Duration;

use archipelago_lab::StandIn;

use crate::program::until;
use crate::trial::Outcome;

const LOCK: &str = include_str!("../../scripts/node/lock.sh");
/// All that tests could leave on a node, and that is not the daemon's own.
const HELD: &str = r#"
podman ps --all --format 'container {{.Names}} {{.State}}'
podman volume ls --format 'volume {{.Name}}'
podman network ls --format 'network {{.Name}}'
podman secret ls --format 'secret {{.Name}}'
podman images --format 'image {{.Repository}}:{{.Tag}}'
find /etc/archipelago /var/lib/archipelago-node* /run/lock -name 'archipelago*' -o -path '/etc/archipelago/*' 2>/dev/null
find /var/lib/archipelago/packages /var/lib/archipelago/secrets -type f 2>/dev/null
ps -e -o user= -o comm= | grep -E 'conmon|sshd-session|sshd.*archipelago' | sort | uniq -c
archipelago status 2>/dev/null
:
"#;
/// A package of the user's, from an image of the user's. What was baked into the lab under the name that tests use is no
/// more: no real node has that.
const USERS: &str = r#"
podman tag localhost/archipelago-fixture:latest localhost/users:1
podman rmi localhost/archipelago-fixture:latest >&2
mkdir -p /etc/archipelago/apps && cat >/etc/archipelago/apps/users.toml <<'END'
id = "users"
title = "Of the user"
version = "1"

[[containers]]
name = "users"
image = "localhost/users:1"
command = ["serve", "8080"]
tier = 2
volumes = [{ name = "users-data", path = "/data" }]
END
archipelago install users"#;

/// Runs a shell script on the node as root; its standard output.
pub(crate) async fn sh(node: &StandIn, script: &str) -> Result<String, String> {
    let output = node.lab().succeed(&["sh", "-c", script]).await;
    output.map_err(|error| archipelago_lab::chain(&error))
}

/// Tries a script again and again, for some seconds.
const TRY: &str = r#"
tries=0
until said=$(eval "$1" 2>&1); do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || break
    sleep 0.1
done
printf '%s\n' "$said"
[ "$tries" -lt 50 ]
"#;

/// Waits until a shell script succeeds on the node; what it says then. The node tries by itself, because to start something
/// there from here costs more than most looks.
pub(crate) async fn until_there(
    node: &StandIn,
    awaited: &str,
    within: Duration,
    script: &str,
) -> Result<String, String> {
    until(awaited, within, async || {
        let tried = node.lab().exec(&["sh", "-c", TRY, "sh", script]).await;
        let tried = tried.map_err(|error| archipelago_lab::chain(&error))?;
        if tried.code == 0 {
            Ok(tried.stdout_text())
        } else {
            Err(tried.stdout_text() + &tried.stderr_text())
        }
    })
    .await
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ours(String);

impl Ours {
    pub(crate) async fn of(node: &StandIn) -> Result<Self, String> {
        sh(node, HELD).await.map(Self)
    }

    /// It holds the same again.
    pub(crate) async fn is_all_there_is(&self, node: &StandIn) -> Outcome {
        self.is_what_counts(node, Self::clone).await
    }

    /// The same, but for connections: after a link that was silent for long TCP says no more to sshd that whoever was there
    /// has gone.
    pub(crate) async fn is_all_there_is_but_connections(&self, node: &StandIn) -> Outcome {
        self.is_what_counts(node, |held| {
            let lines = held.0.lines().filter(|line| !line.contains("sshd"));
            Self(lines.collect::<Vec<_>>().join("\n"))
        })
        .await
    }

    async fn is_what_counts(&self, node: &StandIn, counts: fn(&Self) -> Self) -> Outcome {
        let before = counts(self);
        let look = async || {
            let now = counts(&Self::of(node).await?);
            if now == before {
                Ok(())
            } else {
                Err(format!("before:\n{}\nnow:\n{}", before.0, now.0))
            }
        };
        // sshd takes a moment to see that a connection has ended; after a link that was down that is some seconds.
        until("the node is as it was", Duration::from_secs(60), look).await
    }
}

/// Installs a package of the user's.
pub(crate) async fn install_users_package(node: &StandIn) -> Outcome {
    sh(node, USERS).await.map(drop)
}

/// When that was started, and as what.
pub(crate) async fn users_package(node: &StandIn) -> Result<String, String> {
    sh(
        node,
        "podman inspect --format '{{.State.StartedAt}} {{.State.Pid}} {{.Id}}' users",
    )
    .await
}

/// Asks for the lock as another run would.
pub(crate) async fn lock(node: &StandIn, command: &str, run: &str) -> Outcome {
    let argv = [
        "sh",
        "-c",
        LOCK,
        "lock.sh",
        command,
        run,
        "you@there",
        "600",
    ];
    let asked = node.lab().succeed(&argv).await;
    asked
        .map(drop)
        .map_err(|error| archipelago_lab::chain(&error))
}

/// As if so much time had gone by: nobody waits a minute for it.
pub(crate) async fn let_the_lease_end(node: &StandIn) -> Outcome {
    let script = r#"file=/run/lock/archipelago-node-test.lock
test ! -e "$file" || { sed -i 's/"until_uptime_s":[0-9]*/"until_uptime_s":0/' "$file"; }"#;
    sh(node, script).await.map(drop)
}

/// Makes a key that no node knows.
pub(crate) async fn make_key(path: &str) -> Outcome {
    let status = tokio::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", path])
        .stdin(Stdio::null())
        .status()
        .await
        .map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("ssh-keygen: {status}"))
    }
}

/// Command lines of this machine's processes with a text in them.
pub(crate) fn processes_of(text: &str) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir("/proc").map_err(|error| error.to_string())?;
    let lines = entries.flatten().filter_map(|entry| {
        let bytes = std::fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
    });
    Ok(lines.filter(|line| line.contains(text)).collect())
}

/// The folder with sockets of a process, where there is one.
pub(crate) fn folder_of(pid: u32) -> Result<Option<String>, String> {
    let entries = std::fs::read_dir(std::env::temp_dir()).map_err(|error| error.to_string())?;
    let mut names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.find(|name| name.starts_with(&format!("archipelago-node-{pid}-"))))
}
