//! The daemon: recovery, monitor and API over one state folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::clock::Clock;
use crate::config::Config;
use crate::container::podman::Podman;
use crate::container::runtime::CommandExecutor;
use crate::crash_recovery::{AlreadyRunning, PID_FILE, Past, PidFile, what_happened};
use crate::health_monitor::{Monitor, Overdue};
use crate::host::{Host, OwnProcess};
use crate::metrics::{Meter, MeteredExecutor};
use crate::package::{Packages, corrupt_file};
use crate::store::{Loaded, Store, StoreError, make_private_dir};
use crate::tasks::Tasks;
use crate::watchdog::Watched;

/// Locked while a daemon runs, so that of two that start at once one loses.
const LOCK_FILE: &str = "archipelago.lock";
/// How long a clean shutdown waits for operations under way; what is not done then is finished at the next start.
const OPERATIONS_GRACE: Duration = Duration::from_secs(10);

/// The daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another one runs on this state folder.
    #[error(transparent)]
    AlreadyRunning(#[from] AlreadyRunning),
    /// The state folder is not usable.
    #[error("the state folder is not usable")]
    Store(#[from] StoreError),
}

/// A daemon at work.
///
/// Dropping it does not end its background work; [`Daemon::shutdown`] and [`Daemon::abort`] do.
pub struct Daemon {
    packages: Arc<Packages>,
    monitor: Monitor,
    tasks: Tasks,
    api: api::Context,
    past: Past,
    /// Cancelled when the daemon ends: open streams and idle connections end then.
    ending: CancellationToken,
    /// Given up with the daemon: who else starts on this folder is no second one then.
    presence: Mutex<Option<Presence>>,
}

/// What others see this daemon by.
struct Presence {
    _process: OwnProcess,
    _lock: File,
}

impl Daemon {
    /// Opens the state folder and begins: recovery, then the monitor, in the background. It answers at once.
    ///
    /// # Errors
    /// [`StartError`]; nothing was begun then.
    pub fn start(
        config: Config,
        executor: Arc<dyn CommandExecutor>,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
    ) -> Result<Self, StartError> {
        let daemon = Self::open(config, executor, clock, host)?;
        daemon.begin();
        Ok(daemon)
    }

    /// Opens the state folder, makes the daemon known as running, and does nothing yet.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(
        config: Config,
        executor: Arc<dyn CommandExecutor>,
        clock: Arc<dyn Clock>,
        host: Arc<dyn Host>,
    ) -> Result<Self, StartError> {
        let process = host.own_process();
        // First of all: opening the store removes temporary files, which may be another daemon's.
        make_private_dir(&config.state_dir)?;
        let lock = lock(&config.state_dir, process.identity.pid)?;
        let store = Store::open(&config.state_dir, Arc::clone(&clock))?;
        let pid_file = store.load::<PidFile>(PID_FILE)?;
        let meter = Meter::default();
        let is_this_machine = executor.is_this_machine();
        let executor = Arc::new(MeteredExecutor {
            inner: executor,
            meter: meter.clone(),
        });
        let podman = match &config.podman_socket {
            Some(socket) if is_this_machine => Podman::new(executor).with_socket(socket),
            Some(_) | None => Podman::new(executor),
        };
        let mut packages = Packages::open(config, podman, clock, Arc::clone(&host))?;
        packages.meter = meter;
        let boot_id = host.boot_id();
        let past = match &pid_file {
            Loaded::Corrupt { moved_to, why } => {
                packages.notify(corrupt_file(moved_to, why));
                Past::Killed { pid: None }
            }
            Loaded::Value(_) | Loaded::Absent => {
                let file = match &pid_file {
                    Loaded::Value(file) => Some(file),
                    Loaded::Absent | Loaded::Corrupt { .. } => None,
                };
                let book = packages.book();
                what_happened(file, book.snapshot.as_ref(), &boot_id, |process| {
                    host.is_alive(process)
                })?
            }
        };
        let pid_file = PidFile {
            process: process.identity.clone(),
            boot_id,
        };
        store.save(PID_FILE, &pid_file)?;
        let token = api::load_or_make_token(&packages)?;
        packages.book().recovering = true;
        let packages = Arc::new(packages);
        let tasks = Tasks::default();
        let monitor = Monitor::new(Arc::clone(&packages), tasks.clone());
        let ending = CancellationToken::new();
        let api = api::Context::new(
            Arc::clone(&packages),
            monitor.clone(),
            tasks.clone(),
            token,
            ending.clone(),
        );
        Ok(Self {
            monitor,
            packages,
            tasks,
            api,
            past,
            ending,
            presence: Mutex::new(Some(Presence {
                _process: process,
                _lock: lock,
            })),
        })
    }

    /// Begins recovery and, after it, the monitor. Once is enough.
    pub fn begin(&self) {
        let api = self.api.clone();
        self.tasks.spawn(async move { api.run().await });
        let packages = Arc::clone(&self.packages);
        let monitor = self.monitor.clone();
        let past = self.past.clone();
        let follower = monitor.clone();
        if self.packages.config.health.events {
            self.tasks
                .spawn(async move { follower.follow_events().await });
        }
        let beating = monitor.pulse.begin();
        self.tasks.spawn(async move {
            // Dropped when the loop ends for whatever reason, a panic included.
            let _beating = beating;
            packages.recover(&past).await;
            tokio::join!(packages.tell_of_strangers(), monitor.run());
        });
    }

    /// The HTTP service, as [`Daemon::serve`] serves it.
    pub fn router(&self) -> Router {
        api::router(self.api.clone())
    }

    /// Serves the HTTP service until the daemon ends, and the answers under way are written. A shutdown is best awaited
    /// together with this.
    pub async fn serve(&self, listener: TcpListener) {
        api::serve(listener, self.router(), self.ending.clone()).await;
    }

    /// The packages that it works on.
    #[must_use]
    pub fn packages(&self) -> &Arc<Packages> {
        &self.packages
    }

    /// The bearer token of the RPC service.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.api.token
    }

    /// How the last daemon on this state folder ended.
    #[must_use]
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// Whether recovery is still going on.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.packages.book().recovering
    }

    /// Whether the monitor's loop makes progress.
    ///
    /// # Errors
    /// [`Overdue`] where it does not.
    pub fn check_monitor(&self) -> Result<(), Overdue> {
        self.monitor.pulse.check()
    }

    /// What a watchdog is to look at: the monitor's loop, and the service at `address`, where this daemon was made to listen.
    #[must_use]
    pub fn watched(&self, address: SocketAddr) -> Watched {
        Watched::new(self.monitor.pulse.clone(), address)
    }

    /// The monitor looks at once, instead of at its next tick. `archipelago serve` does this on SIGUSR1.
    pub fn look_now(&self) {
        self.monitor.look_now();
    }

    /// Ends cleanly: gives operations under way a moment, then ends all work and removes the PID file.
    /// Containers go on running.
    pub async fn shutdown(&self) {
        let step = Duration::from_millis(100);
        let mut waited = Duration::ZERO;
        while waited < OPERATIONS_GRACE && !self.packages.book().operations.is_empty() {
            sleep(step).await;
            waited += step;
        }
        self.tasks.end().await;
        self.ending.cancel();
        if let Err(error) = self.packages.root.remove(PID_FILE) {
            tracing::error!(
                error = crate::chain::chain(&error),
                "the PID file stays; the next start will take this for a crash"
            );
        }
        self.vanish();
    }

    /// Ends as if killed: all work stops at whatever await it is, files stay as they are.
    pub async fn abort(&self) {
        self.ending.cancel();
        self.tasks.end().await;
        self.vanish();
    }

    fn vanish(&self) {
        drop(
            self.presence
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

/// Locks the state folder, and says in the file who did.
fn lock(state_dir: &Path, own_pid: u32) -> Result<File, StartError> {
    let path = state_dir.join(LOCK_FILE);
    let fail = |source| StoreError {
        doing: "lock",
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {
            // Only for whom it may concern: a full disk is no reason not to start.
            let said = file.set_len(0).and_then(|()| write!(file, "{own_pid}"));
            if let Err(error) = said {
                tracing::warn!(%error, path = %path.display(), "cannot say who runs");
            }
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut said = String::new();
            let read = file.read_to_string(&mut said);
            Err(AlreadyRunning {
                // It may have the lock and not have said so yet.
                pid: read.ok().and_then(|_| said.trim().parse().ok()),
            }
            .into())
        }
        Err(TryLockError::Error(source)) => Err(fail(source).into()),
    }
}
