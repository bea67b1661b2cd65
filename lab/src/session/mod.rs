//! A session: this process, known to the keeper, with an engine to talk to.
//!
//! ```text
//! process ──join──▶ owners/PID:START:BOOT   (a file: "I may own labs")
//!    │                    ▲ watched
//!    └──starts──▶ keeper ─┴─▶ removes what dead owners left ─▶ stops our engine ─▶ ends
//! ```
//! The keeper is one process per state directory. It outlives a SIGKILL of whoever started it, because it is its own
//! session leader and holds none of its streams. See [`keeper`].

pub mod keeper;
pub mod owner;
mod parent;
pub mod record;
pub mod state_dir;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::conformance::protocol::PLAYER_ENV;
use crate::engine::{Endpoint, Wishes};
use owner::{Owner, OwnerError};
pub use parent::die_with_parent;
use record::{FirstWord, KeeperRecord};
use state_dir::{StateDir, StateDirError};

/// Set in the environment of a process that was started to be the keeper; its value is the state directory.
const KEEPER_ENV: &str = "ARCHIPELAGO_LAB_KEEPER";
/// Set in the environment of a program that [`enter`] has started anew; its value is the state directory.
const SESSION_ENV: &str = "ARCHIPELAGO_LAB_SESSION";

/// Joining failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The own process could not be identified.
    #[error("cannot tell who owns the labs")]
    Owner(#[from] OwnerError),
    /// The state directory.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The keeper did not start.
    #[error("the keeper of the labs did not start")]
    KeeperDidNotStart(#[source] std::io::Error),
    /// The keeper said why it cannot work: no engine, mostly.
    #[error("{0}")]
    KeeperSaidNo(String),
    /// The keeper ended without a word.
    #[error("the keeper of the labs ended without a word; its log is `{log}`")]
    KeeperSilent {
        /// Path of the log.
        log: String,
    },
    /// This program could not be started anew.
    #[error("cannot start this program anew with DOCKER_HOST set")]
    Reexec(#[source] std::io::Error),
    /// The parent cannot be watched.
    #[error("cannot watch the process that started this one")]
    Parent(#[source] std::io::Error),
    /// [`init`] was not called.
    #[error(
        "call archipelago_lab::init() first thing in main: a lab cannot be watched over otherwise"
    )]
    NotInitialised,
}

static INITIALISED: std::sync::OnceLock<()> = std::sync::OnceLock::new();

/// To be called first thing in `main` of every program that starts labs. In a process that was started to be the keeper,
/// or the player of conformance cases in a lab, it does not return; elsewhere it has no effect but to be remembered.
pub fn init() {
    if let Some(dir) = std::env::var_os(KEEPER_ENV) {
        std::process::exit(keeper::main(StateDir::at(dir.into())));
    }
    if let Some(plan) = std::env::var_os(PLAYER_ENV) {
        std::process::exit(crate::conformance::inside::main(plan.into()));
    }
    let _first = INITIALISED.set(());
}

/// This process's place in the session.
#[derive(Debug, Clone)]
pub struct Session {
    /// This process.
    pub owner: Owner,
    /// The engine.
    pub endpoint: Endpoint,
    /// Pid of the engine, where the keeper started it.
    pub service: Option<u32>,
    dir: StateDir,
}

impl Session {
    /// The directory in which keeper and owners find each other.
    pub fn state_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// The value of [`owner::LABEL_SESSION`] for what this session makes.
    pub fn label(&self) -> String {
        self.dir.path().display().to_string()
    }

    /// Waits until no other process of this session makes the image of that tag; none other does until the value is dropped.
    pub async fn lock_image(&self, tag: &str) -> Result<state_dir::Lock, StateDirError> {
        let (dir, tag) = (self.dir.clone(), tag.to_owned());
        let locked = tokio::task::spawn_blocking(move || dir.lock_image(&tag)).await;
        locked.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// A folder for large temporary files, removed on drop, or by the keeper when this process dies before.
    pub fn scratch(&self) -> std::io::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(&scratch_prefix(&self.owner))
            .tempdir_in(SCRATCH_IN)
    }
}

/// Not /tmp, which may be a small tmpfs: a base is some hundred megabytes.
pub(crate) const SCRATCH_IN: &str = "/var/tmp";

fn scratch_prefix(owner: &Owner) -> String {
    format!("archipelago-lab-{}-{}-", owner.pid, owner.started)
}

/// Removes the scratch folders of a dead owner.
fn remove_scratch(owner: &Owner) -> std::io::Result<()> {
    let prefix = scratch_prefix(owner);
    for entry in std::fs::read_dir(SCRATCH_IN)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Joins the session of this machine, starting keeper and engine where there is none. Takes milliseconds when both run.
///
/// # Errors
/// No engine to be had is the common one; the text says what was tried and what to install.
pub fn join() -> Result<Session, SessionError> {
    if INITIALISED.get().is_none() {
        return Err(SessionError::NotInitialised);
    }
    let wishes = Wishes::from_env();
    let dir = StateDir::for_wishes(&wishes)?;
    let owner = Owner::current()?;
    // Held until the keeper has answered: it cannot decide to end in between, and no second one is started.
    let lock = dir.lock()?;
    dir.add_owner(&owner)?;
    let record = match dir.keeper()? {
        Some(record) if record.keeper.is_alive() => record,
        _ => start_keeper(&dir)?,
    };
    drop(lock);
    Ok(Session {
        owner,
        endpoint: record.endpoint,
        service: record.service.map(|service| service.process.pid),
        dir,
    })
}

/// Joins, and makes `DOCKER_HOST` name the engine: testcontainers reads nothing else. Where it is not set to that
/// already this program is started anew (`exec`: same pid, same arguments), so call it before anything else has begun.
pub fn enter() -> Result<Session, SessionError> {
    let session = join()?;
    if Wishes::from_env().docker_host.as_ref() == Some(&session.endpoint) {
        return Ok(session);
    }
    let program = std::env::current_exe().map_err(SessionError::Reexec)?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    let error = Command::new(program)
        .arg0(name)
        .args(arguments)
        .env("DOCKER_HOST", &session.endpoint.0)
        .env(SESSION_ENV, session.dir.path())
        .exec();
    Err(SessionError::Reexec(error))
}

fn start_keeper(dir: &StateDir) -> Result<KeeperRecord, SessionError> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.keeper_log())
        .map_err(SessionError::KeeperDidNotStart)?;
    let program = std::env::current_exe().map_err(SessionError::KeeperDidNotStart)?;
    let mut child = Command::new(program)
        .env(KEEPER_ENV, dir.path())
        // One name in `ps`, whoever started it.
        .arg0("archipelago-lab-keeper")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(SessionError::KeeperDidNotStart)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(SessionError::KeeperDidNotStart)?;
    }
    match serde_json::from_str::<FirstWord>(&line) {
        Ok(FirstWord::Ready(record)) => Ok(record),
        Ok(FirstWord::Failed(why)) => {
            child.wait().map_err(SessionError::KeeperDidNotStart)?;
            Err(SessionError::KeeperSaidNo(why))
        }
        Err(_) => {
            child.kill().map_err(SessionError::KeeperDidNotStart)?;
            child.wait().map_err(SessionError::KeeperDidNotStart)?;
            Err(SessionError::KeeperSilent {
                log: dir.keeper_log().display().to_string(),
            })
        }
    }
}
