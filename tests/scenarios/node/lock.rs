//! The node's lock: one run at a time. The rules are in `scripts/node/lock.sh`, which scripts use as well.

use std::time::Duration;

use serde::Deserialize;

use super::error::NodeError;
use super::ssh::Session;

const SCRIPT: &str = include_str!("../../../scripts/node/lock.sh");
/// The script's exit codes.
const BUSY: i64 = 75;
const NOT_HELD: i64 = 76;
/// A run that died has the node for so long; renewed several times in that time.
const TTL: Duration = Duration::from_secs(60);
const RENEW: Duration = Duration::from_secs(15);

/// Who has the lock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Holder {
    run: String,
    holder: String,
    pid: u64,
    since: String,
    expires: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            run,
            holder,
            pid,
            since,
            expires,
        } = self;
        write!(
            f,
            "run `{run}` of {holder} (pid {pid} there) has had it since {since}, its lease ends at {expires}"
        )
    }
}

/// The lock, held.
#[derive(Debug)]
pub(crate) struct Lease {
    run: String,
    /// Whether a run around this process has it, and gives it back.
    is_borrowed: bool,
}

impl Lease {
    /// Takes the lock, or joins the run that has it.
    pub(crate) async fn take(session: &Session) -> Result<Self, NodeError> {
        let borrowed = session.configuration().run.clone();
        let lease = Self {
            is_borrowed: borrowed.is_some(),
            run: borrowed.unwrap_or_else(own_run),
        };
        let command = if lease.is_borrowed { "renew" } else { "take" };
        lease.ask(session, command).await?;
        Ok(lease)
    }

    /// After the connection was lost: also the run around this process may have lost it, with the node's `/run`.
    pub(crate) async fn take_again(session: &Session) -> Result<Self, NodeError> {
        let borrowed = session.configuration().run.clone();
        let lease = Self {
            is_borrowed: borrowed.is_some(),
            run: borrowed.unwrap_or_else(own_run),
        };
        lease.ask(session, "take").await?;
        Ok(lease)
    }

    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Renews it for as long as this is waited for; ends when that fails.
    pub(crate) async fn lost(&self, session: &Session) -> NodeError {
        loop {
            tokio::time::sleep(RENEW).await;
            match self.ask(session, "renew").await {
                Ok(()) => {}
                Err(error @ NodeError::Lost { .. }) => return error,
                Err(error) => return NodeError::LockLost(archipelago_lab::chain(&error)),
            }
        }
    }

    /// Gives it back.
    pub(crate) async fn release(&self, session: &Session) -> Result<(), NodeError> {
        if self.is_borrowed {
            return Ok(());
        }
        self.ask(session, "release").await
    }

    async fn ask(&self, session: &Session, command: &str) -> Result<(), NodeError> {
        let holder = holder();
        let (ttl, pid) = (TTL.as_secs().to_string(), std::process::id().to_string());
        let argv = ["sh", "-s", "--", command, &self.run, &holder, &ttl, &pid];
        let doing = format!("{command} the lock");
        let output = session.run(&doing, &argv, SCRIPT.as_bytes()).await?;
        let failed = |said: &str| NodeError::Failed {
            doing: doing.clone(),
            code: output.code,
            said: said.trim().to_owned(),
        };
        match output.code {
            0 => Ok(()),
            BUSY => match serde_json::from_str(&output.stdout) {
                Ok(holder) => Err(NodeError::Busy(holder)),
                Err(error) => Err(failed(&format!("{}: {error}", output.stdout))),
            },
            NOT_HELD => Err(NodeError::NotHeld {
                run: self.run.clone(),
            }),
            _ => Err(failed(&output.stderr)),
        }
    }
}

/// All processes of one `cargo nextest run` are one run.
fn own_run() -> String {
    std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("pid-{}", std::process::id()))
}

/// `user@host` of this process, in letters that the lock takes.
pub(crate) fn holder() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let host = host.unwrap_or_else(|_| "somewhere".to_owned());
    format!("{user}@{}", host.trim())
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "@._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect()
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use std::io::Write;
    use std::process::{Command, Output, Stdio};

    use super::*;

    crate::node::checks![
        one_run_has_it_and_others_are_told_who,
        a_lease_that_was_not_renewed_is_taken,
        what_was_cut_off_is_nobodys,
        of_many_at_once_one_has_it,
    ];

    struct Node(tempfile::TempDir);

    impl Node {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn file(&self) -> std::path::PathBuf {
            self.0.path().join("lock")
        }

        fn begin(&self, argv: &[&str]) -> std::process::Child {
            let mut child = Command::new("sh")
                .args(["-s", "--"])
                .args(argv)
                .env("ARCHIPELAGO_NODE_LOCK", self.file())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("sh");
            let mut stdin = child.stdin.take().expect("its input");
            stdin.write_all(SCRIPT.as_bytes()).expect("written");
            child
        }

        fn ask(&self, argv: &[&str]) -> (i32, Output) {
            let output = self.begin(argv).wait_with_output().expect("its end");
            (output.status.code().expect("a code"), output)
        }

        fn code(&self, argv: &[&str]) -> i32 {
            self.ask(argv).0
        }
    }

    fn one_run_has_it_and_others_are_told_who() {
        let node = Node::new();
        assert_eq!(node.code(&["take", "one", "me@here", "60", "7"]), 0);
        let (code, output) = node.ask(&["take", "two", "you@there", "60"]);
        let holder: Holder = serde_json::from_slice(&output.stdout).expect("json");
        assert_eq!(i64::from(code), BUSY);
        assert_eq!(
            (holder.run.as_str(), holder.holder.as_str(), holder.pid),
            ("one", "me@here", 7)
        );
        assert!(
            holder
                .to_string()
                .contains("run `one` of me@here (pid 7 there)")
        );
        // Neither renewed nor given back by others.
        assert_eq!(
            i64::from(node.code(&["renew", "two", "you@there", "60"])),
            BUSY
        );
        assert_eq!(i64::from(node.code(&["release", "two"])), BUSY);
        // By its own run it is taken again, as the next trial does.
        assert_eq!(node.code(&["take", "one", "me@here", "60"]), 0);
        assert_eq!(node.code(&["renew", "one", "me@here", "60"]), 0);
        assert_eq!(node.code(&["release", "one"]), 0);
        assert!(!node.file().exists(), "nothing is left");
        assert_eq!(
            node.code(&["release", "one"]),
            0,
            "what is not there is given back"
        );
        assert_eq!(
            i64::from(node.code(&["renew", "one", "me@here", "60"])),
            NOT_HELD
        );
        assert_eq!(node.code(&["take", "two", "you@there", "60"]), 0);
    }

    fn a_lease_that_was_not_renewed_is_taken() {
        let node = Node::new();
        assert_eq!(node.code(&["take", "one", "me@here", "0"]), 0);
        // Nobody took it meanwhile.
        assert_eq!(node.code(&["renew", "one", "me@here", "0"]), 0);
        let (code, output) = node.ask(&["take", "two", "you@there", "60"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("me@here, run one, had expired"), "{said}");
        assert_eq!(
            i64::from(node.code(&["renew", "one", "me@here", "60"])),
            BUSY
        );
        // A shorter renewal, as of a process inside of the run, shortens nothing.
        assert_eq!(node.code(&["renew", "two", "you@there", "0"]), 0);
        assert_eq!(
            i64::from(node.code(&["take", "one", "me@here", "60"])),
            BUSY
        );
    }

    fn what_was_cut_off_is_nobodys() {
        for text in [
            "",
            "{\"run\":\"one\"",
            "{\"run\":\"one\",\"until_uptime_s\":x}\n",
        ] {
            let node = Node::new();
            std::fs::write(node.file(), text).expect("written");
            assert_eq!(node.code(&["take", "two", "you@there", "60"]), 0, "{text}");
        }
        let node = Node::new();
        for bad in [
            &["take", "a b", "me@here", "60"][..],
            &["take", "one", "me\"here", "60"],
            &["take", "one", "me@here", "soon"],
            &["steal"],
            &[],
        ] {
            assert_eq!(node.code(bad), 64, "{bad:?}");
        }
        assert!(!node.file().exists());
    }

    fn of_many_at_once_one_has_it() {
        let node = Node::new();
        let runs = ["a", "b", "c", "d", "e", "f"];
        let begun: Vec<_> = runs
            .iter()
            .map(|run| node.begin(&["take", run, "me@here", "60"]))
            .collect();
        let codes: Vec<_> = begun
            .into_iter()
            .map(|child| child.wait_with_output().expect("its end").status.code())
            .collect();
        let taken = codes.iter().filter(|code| **code == Some(0)).count();
        assert_eq!(taken, 1, "{codes:?}");
    }
}
