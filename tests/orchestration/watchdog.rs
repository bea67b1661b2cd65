//! systemd's watchdog against a whole daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use archipelago::clock::VirtualClock;
use archipelago::config::Config;
use archipelago::container::mock_podman::MockPodman;
use archipelago::container::runtime::{CommandExecutor, CommandOutput, ExecuteError};
use archipelago::daemon::Daemon;
use archipelago::host::MockHost;
use archipelago::watchdog::keep_alive;
use async_trait::async_trait;
use tokio::time::sleep;

const WELL: u8 = 0;
const HANGS: u8 = 1;
const PANICS: u8 = 2;

/// podman, and what becomes of who asks it.
struct Trap {
    podman: MockPodman,
    way: Arc<AtomicU8>,
}

#[async_trait]
impl CommandExecutor for Trap {
    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError> {
        match self.way.load(Ordering::Relaxed) {
            HANGS => std::future::pending().await,
            PANICS => panic!("a fault of ours, in the monitor's own task"),
            _ => self.podman.execute(program, args).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_told_while_podman_hangs_and_no_more_when_the_monitor_is_gone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let podman = MockPodman::new();
    let way = Arc::new(AtomicU8::new(WELL));
    let config = Config {
        state_dir: folder.path().join("state"),
        apps_dir: folder.path().join("apps"),
        ..Config::default()
    };
    let clock = Arc::new(VirtualClock::new(podman.now()));
    let trap = Trap {
        podman,
        way: Arc::clone(&way),
    };
    let daemon = Daemon::start(config, Arc::new(trap), clock, Arc::new(MockHost::new()));
    let daemon = daemon.expect("the daemon starts");
    let told = AtomicU32::new(0);
    let check = async || Ok(daemon.check_monitor()?);
    let tell = || {
        told.fetch_add(1, Ordering::Relaxed);
    };
    let watching = keep_alive(Duration::from_secs(60), check, tell);
    let told_within = async |time: Duration| {
        let before = told.load(Ordering::Relaxed);
        sleep(time).await;
        told.load(Ordering::Relaxed) - before
    };
    let course = async {
        let hour = Duration::from_secs(3600);
        // Three times a minute, and not much more.
        assert!((175..=185).contains(&told_within(hour).await));
        way.store(HANGS, Ordering::Relaxed);
        assert!(
            told_within(hour).await >= 175,
            "a podman that hangs is no reason to restart the daemon"
        );
        way.store(PANICS, Ordering::Relaxed);
        // The look that hangs ends in its own time, and the next one meets the fault.
        sleep(Duration::from_secs(300)).await;
        assert_eq!(
            told_within(hour).await,
            0,
            "the monitor is gone, and systemd is told that all is well"
        );
    };
    tokio::select! {
        () = watching => panic!("a watchdog never ends"),
        () = course => {}
    }
    daemon.abort().await;
}
