//! What real commands on each podman lead to, as a UI shows it: from command lines through podman's JSON to words.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::sleep;

use super::*;
use crate::catalog::Manifest;
use crate::config::Config;
use crate::container::mock_podman::{FIXTURE_IMAGE, MockPodman};
use crate::container::podman::{Podman, PodmanVersion};
use crate::container::runtime::CommandExecutor;
use crate::health_monitor::{Installed, PlanInput, Policy, plan};
use crate::package::PACKAGE_LABEL;
use crate::restart_tracker::{RestartTracker, Seen};

const VERSIONS: [PodmanVersion; 3] = [
    PodmanVersion::new(4, 3, 1),
    PodmanVersion::new(5, 4, 2),
    PodmanVersion::new(5, 8, 6),
];

/// One package `app` on a podman, with all that its state depends on.
struct World {
    podman: MockPodman,
    version: PodmanVersion,
    record: PackageRecord,
    tracker: RestartTracker,
    stopped: UserStopped,
    operations: BTreeMap<String, Operation>,
    healing: BTreeSet<String>,
    dead: BTreeSet<String>,
    ran_before: BTreeSet<String>,
}

impl World {
    /// A package with these containers: name, and more lines of its manifest.
    fn new(version: PodmanVersion, containers: &[(&str, &str)]) -> Self {
        let mut text = String::from("id = \"app\"\ntitle = \"App\"\nversion = \"1\"\n");
        for (name, more) in containers {
            text.push_str(&format!(
                "[[containers]]\nname = \"{name}\"\nimage = \"{FIXTURE_IMAGE}\"\ntier = 2\n{more}\n"
            ));
        }
        let podman = MockPodman::with_version(version);
        Self {
            record: PackageRecord {
                manifest: toml::from_str::<Manifest>(&text).expect("a manifest"),
                docker_image: None,
                previous: None,
                phase: Phase::Installed,
                made: Vec::new(),
                since: podman.now(),
            },
            podman,
            version,
            tracker: RestartTracker::default(),
            stopped: UserStopped::default(),
            operations: BTreeMap::new(),
            healing: BTreeSet::new(),
            dead: BTreeSet::new(),
            ran_before: BTreeSet::new(),
        }
    }

    /// Runs a podman command; some of them are to fail.
    async fn podman(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        self.podman.execute("podman", &words).await.expect("runs");
    }

    async fn create(&self, name: &str, more: &str, command: &str) {
        self.podman(&format!(
            "create --name {name} --label {PACKAGE_LABEL}=app{more} {FIXTURE_IMAGE} {command}"
        ))
        .await;
    }

    /// Creates and starts it, and lets a moment pass.
    async fn start(&self, name: &str, more: &str, command: &str) {
        self.create(name, more, command).await;
        self.podman(&format!("start {name}")).await;
        sleep(Duration::from_secs(3)).await;
    }

    /// The package, as it is now.
    async fn entry(&self) -> PackageDataEntry {
        let podman = Podman::new(Arc::new(self.podman.clone()));
        let statuses = podman.list(PACKAGE_LABEL).await.expect("a list");
        let statuses: BTreeMap<String, ContainerStatus> = statuses
            .into_iter()
            .map(|status| (status.name.clone(), status))
            .collect();
        let installed: Vec<Installed<'_>> = self
            .record
            .manifest
            .containers
            .iter()
            .map(|manifest| Installed {
                package: "app",
                manifest,
            })
            .collect();
        let mut busy: BTreeMap<String, &'static str> = BTreeMap::new();
        busy.extend(self.operations.keys().map(|id| (id.clone(), "work")));
        busy.extend(self.healing.iter().map(|id| (id.clone(), "healing")));
        let now = self.podman.now();
        let policy = Policy::from(&Config::default().health);
        let plan = plan(&PlanInput {
            installed: &installed,
            statuses: &statuses,
            dead: &self.dead,
            tracker: &self.tracker,
            user_stopped: &self.stopped.packages(),
            busy: &busy,
            policy,
            now,
        });
        let mut entries = entries(&StateInput {
            records: &BTreeMap::from([("app".to_owned(), self.record.clone())]),
            statuses: &statuses,
            tracker: &self.tracker,
            stopped: &self.stopped,
            operations: &self.operations,
            healing: &self.healing,
            dead: &self.dead,
            ran_before: &self.ran_before,
            plan: &plan,
            max_attempts: policy.max_attempts,
            now,
        });
        entries.remove(0)
    }

    async fn expect(&self, state: PackageState, colour: Colour, exit_code: Option<i32>, why: &str) {
        let entry = self.entry().await;
        assert_eq!(
            (entry.state, entry.colour, entry.exit_code),
            (state, colour, exit_code),
            "{}: {entry:#?}",
            self.version
        );
        assert!(entry.why.contains(why), "{}: {entry:#?}", self.version);
    }
}

fn one(version: PodmanVersion) -> World {
    World::new(version, &[("app", "")])
}

// The rows of the table of ends, in its order.

#[tokio::test(start_paused = true)]
async fn never_started_is_waiting_and_grey() {
    for version in VERSIONS {
        let world = one(version);
        world.create("app", "", "serve 80").await;
        world
            .expect(PackageState::Waiting, Colour::Grey, None, "not started yet")
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_failed_is_crashed_and_red_with_the_error() {
    for version in VERSIONS {
        let mut world = one(version);
        world.podman.take_port(81);
        world.start("app", " -p 127.0.0.1:81:80", "serve 80").await;
        // podman 4 keeps no error: there only our own knowledge tells.
        let error = "cannot listen on the TCP port";
        world.tracker.start_outcome("app", Some(error.to_owned()));
        world
            .expect(PackageState::Crashed, Colour::Red, None, error)
            .await;
        if version != VERSIONS[0] {
            world.tracker = RestartTracker::default();
            world
                .expect(PackageState::Crashed, Colour::Red, None, error)
                .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_user_stopped_is_stopped_and_grey_whatever_the_code() {
    for version in VERSIONS {
        for (command, code) in [("serve 80", 0), ("ignore-term", 137), ("exit 3", 3)] {
            let mut world = one(version);
            world.start("app", "", command).await;
            world.podman("stop -t 1 app").await;
            sleep(Duration::from_secs(3)).await;
            world.stopped.stop("app", world.podman.now());
            world
                .expect(
                    PackageState::Stopped,
                    Colour::Grey,
                    Some(code),
                    "the user stopped it",
                )
                .await;
            assert_eq!(world.entry().await.next, None, "{version} {command}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_is_stopped_and_grey() {
    for version in VERSIONS {
        let world = one(version);
        world.start("app", "", "exit 0 --after 1").await;
        world
            .expect(PackageState::Stopped, Colour::Grey, Some(0), "exit code 0")
            .await;
        let world = World::new(version, &[("app", "one_shot = true")]);
        world.start("app", "", "exit 0 --after 1").await;
        world
            .expect(PackageState::Done, Colour::Grey, Some(0), "ran once")
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_oom_kill_is_killed_oom_and_red() {
    for version in VERSIONS {
        let world = one(version);
        world.start("app", " --memory 64m", "serve 80").await;
        world.podman("exec app /fixture poke oom").await;
        sleep(Duration::from_secs(3)).await;
        world
            .expect(PackageState::KilledOom, Colour::Red, Some(137), "memory")
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_from_outside_is_killed_and_red_where_podman_can_tell() {
    for version in VERSIONS {
        let world = one(version);
        world.start("app", "", "serve 80").await;
        assert!(world.podman.kill_process("app"));
        sleep(Duration::from_secs(3)).await;
        let expected = if version == VERSIONS[0] {
            PackageState::KilledOom
        } else {
            PackageState::Killed
        };
        world.expect(expected, Colour::Red, Some(137), "137").await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_code_is_crashed_and_red_with_the_code() {
    for version in VERSIONS {
        for code in [1, 3, 127, 143] {
            let world = one(version);
            world
                .start("app", "", &format!("exit {code} --after 1"))
                .await;
            let why = format!("it ended with exit code {code}");
            world
                .expect(PackageState::Crashed, Colour::Red, Some(code), &why)
                .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_up_when_power_was_lost_is_interrupted_and_amber() {
    for version in VERSIONS {
        let world = one(version);
        world.start("app", "", "serve 80").await;
        world.podman.power_loss();
        // podman 4 says `created`, and so no code; podman 5 `exited`, with a 0 that nobody gave.
        let code = (version != VERSIONS[0]).then_some(0);
        world
            .expect(
                PackageState::Interrupted,
                Colour::Amber,
                code,
                "power was lost",
            )
            .await;
        let container = &world.entry().await.containers[0];
        assert_eq!(container.running_since, None, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_process_is_gone_is_crashed_and_red() {
    for version in VERSIONS {
        let mut world = one(version);
        world.start("app", "", "serve 80").await;
        assert!(world.podman.kill_process_and_monitor("app"));
        world
            .expect(PackageState::Running, Colour::Green, None, "it runs")
            .await;
        world.dead.insert("app".to_owned());
        world
            .expect(
                PackageState::Crashed,
                Colour::Red,
                None,
                "its process is gone",
            )
            .await;
        assert_eq!(world.entry().await.containers[0].running_since, None);
    }
}

// What a package is made of its containers.

#[tokio::test(start_paused = true)]
async fn a_package_is_as_its_worst_container_and_the_first_of_the_worst_is_named() {
    let world = World::new(VERSIONS[1], &[("db", ""), ("api", ""), ("web", "")]);
    world.start("db", "", "serve 80").await;
    world.start("api", "", "serve 81").await;
    world.start("web", "", "serve 82").await;
    world
        .expect(PackageState::Running, Colour::Green, None, "it runs")
        .await;
    for (name, code) in [("web", 4), ("api", 3)] {
        world
            .podman(&format!("exec {name} /fixture poke exit {code}"))
            .await;
        sleep(Duration::from_secs(3)).await;
        let why = format!("`{name}`: it ended with exit code {code}");
        world
            .expect(PackageState::Crashed, Colour::Red, Some(code), &why)
            .await;
    }
    world.podman("rm -f db").await;
    world
        .expect(
            PackageState::Crashed,
            Colour::Red,
            None,
            "`db`: podman has no such container",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_shown_in_blue_and_nothing_else_comes_next() {
    let mut world = one(VERSIONS[1]);
    world.start("app", "", "exit 3").await;
    for (operation, state) in [
        (Operation::Install, PackageState::Installing),
        (Operation::Start, PackageState::Starting),
        (Operation::Stop, PackageState::Stopping),
        (Operation::Restart, PackageState::Restarting),
        (Operation::Uninstall, PackageState::Uninstalling),
        (Operation::Undo, PackageState::Uninstalling),
    ] {
        world.operations.insert("app".to_owned(), operation);
        let entry = world.entry().await;
        assert_eq!(
            (entry.state, entry.colour, entry.next),
            (state, Colour::Blue, None)
        );
    }
}

// What comes next.

fn next(text: &str, due: Option<DateTime<Utc>>) -> Option<NextStep> {
    Some(NextStep {
        text: text.to_owned(),
        due,
    })
}

#[tokio::test(start_paused = true)]
async fn the_next_restart_has_its_number_and_time() {
    let mut world = one(VERSIONS[1]);
    world.start("app", "", "exit 3").await;
    let now = world.podman.now();
    // Never tried yet: at once.
    assert_eq!(world.entry().await.next, next("restart 1 of 10", Some(now)));
    for _ in 0..2 {
        world.tracker.attempt("app", now - TimeDelta::seconds(20));
    }
    assert_eq!(
        world.entry().await.next,
        next("restart 3 of 10", Some(now + TimeDelta::seconds(100)))
    );
    world.healing.insert("app".to_owned());
    assert_eq!(
        world.entry().await.next,
        next("restart 2 of 10 is under way", None)
    );
}

#[tokio::test(start_paused = true)]
async fn after_the_last_attempt_the_slow_lane_is_next() {
    let mut world = one(VERSIONS[1]);
    world.start("app", "", "exit 3").await;
    let now = world.podman.now();
    for _ in 0..10 {
        world.tracker.attempt("app", now);
    }
    let in_6_hours = now + TimeDelta::hours(6);
    let expected = next("gave up after 10 attempts; next try", Some(in_6_hours));
    assert_eq!(world.entry().await.next, expected);
    world.tracker.give_up("app", now);
    let entry = world.entry().await;
    assert_eq!(entry.next, expected);
    assert_eq!(entry.state, PackageState::Crashed);
    // One more, in the slow lane, is not one of the ten.
    world.tracker.attempt("app", now - TimeDelta::hours(7));
    assert_eq!(
        world.entry().await.next,
        next("gave up after 10 attempts; next try", Some(now))
    );
}

#[tokio::test(start_paused = true)]
async fn given_up_without_an_end_it_needs_attention() {
    let mut world = one(VERSIONS[1]);
    world.create("app", "", "serve 80").await;
    world.tracker.give_up("app", world.podman.now());
    world
        .expect(
            PackageState::NeedsAttention,
            Colour::Red,
            None,
            "not started yet",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_dependent_waits_and_says_for_whom() {
    let world = World::new(VERSIONS[1], &[("db", ""), ("api", "depends_on = [\"db\"]")]);
    world.start("db", "", "exit 1").await;
    world.create("api", "", "serve 80").await;
    let entry = world.entry().await;
    assert_eq!(entry.containers[1].state, PackageState::Waiting);
    assert_eq!(entry.containers[1].next, next("waits for `db`", None));
    // The worst one is the database, and what comes next for the package is what comes next for it.
    assert_eq!(
        entry.next,
        next("`db`: restart 1 of 10", Some(world.podman.now()))
    );
}

#[tokio::test(start_paused = true)]
async fn the_monitors_own_stop_is_no_crash() {
    let mut world = one(VERSIONS[1]);
    world.start("app", "", "ignore-term").await;
    let now = world.podman.now();
    let seen = Seen {
        running: true,
        started_at: Some(now),
        ..Seen::default()
    };
    world.tracker.observe("app", seen, now, TimeDelta::hours(1));
    world.tracker.attempt("app", now);
    world.healing.insert("app".to_owned());
    world.podman("stop -t 1 app").await;
    sleep(Duration::from_secs(3)).await;
    world
        .expect(
            PackageState::Restarting,
            Colour::Blue,
            Some(137),
            "to be started again",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn how_it_ended_before_is_kept_with_its_colour() {
    let mut world = one(VERSIONS[1]);
    world.start("app", "", "serve 80").await;
    let now = world.podman.now();
    for (number, reason) in ["crashed", "interrupted", "stopped", "restarted by podman"]
        .into_iter()
        .enumerate()
    {
        let run = now - TimeDelta::hours(9) + TimeDelta::hours(number as i64);
        let seen = Seen {
            exit: Some(crate::restart_tracker::ExitRecord {
                reason: reason.to_owned(),
                code: None,
                at: run,
                run: Some(run),
            }),
            ..Seen::default()
        };
        world.tracker.observe("app", seen, now, TimeDelta::hours(1));
    }
    let container = world.entry().await.containers.remove(0);
    let colours: Vec<Colour> = container.exits.iter().map(|exit| exit.colour).collect();
    assert_eq!(
        colours,
        [Colour::Red, Colour::Amber, Colour::Grey, Colour::Amber]
    );
    assert_eq!(container.last_exit.as_ref(), container.exits.last());
    assert!(container.running_since.is_some(), "{container:?}");
}

#[test]
fn every_word_of_an_end_is_a_state() {
    use crate::container::exit_reason::ExitReason;
    for reason in [
        ExitReason::NeverStarted,
        ExitReason::StartFailed {
            error: String::new(),
        },
        ExitReason::UserStopped,
        ExitReason::CleanExit,
        ExitReason::OutOfMemory,
        ExitReason::Killed,
        ExitReason::Crashed { code: 1 },
        ExitReason::PowerLost,
        ExitReason::Lost,
    ] {
        let word = reason.shown_as();
        assert!(PackageState::from_word(word).is_some(), "{word}");
    }
}
