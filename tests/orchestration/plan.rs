//! Laws of `plan()`, over random nodes.

use std::collections::{BTreeMap, BTreeSet};

use archipelago::catalog::Catalog;
use archipelago::config::Config;
use archipelago::container::status::{ContainerState, ContainerStatus, Health};
use archipelago::health_monitor::{Action, Installed, PlanInput, Policy, plan, serves};
use archipelago::restart_tracker::RestartTracker;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::node::container;

const COUNT: usize = 8;

/// One container of a random node: its state, its dependencies (as bits), its tier and its attempts.
type Spec = (u8, u8, u8, u32, bool);

fn status(name: &str, word: u8, now: DateTime<Utc>) -> Option<ContainerStatus> {
    let (state, health) = match word {
        0 => return None,
        1 => (ContainerState::Created, None),
        2 => (ContainerState::Exited, None),
        3 => (ContainerState::Running, Some(Health::Unhealthy)),
        4 => (ContainerState::Running, Some(Health::Starting)),
        5 => (ContainerState::Stopped, None),
        6 => (ContainerState::Unknown("odd".to_owned()), None),
        _ => (ContainerState::Running, None),
    };
    Some(ContainerStatus {
        id: String::new(),
        name: name.to_owned(),
        image: String::new(),
        pid: u32::from(state == ContainerState::Running),
        exit_code: i32::from(state == ContainerState::Exited),
        state,
        oom_killed: None,
        error: None,
        created_at: now,
        started_at: (word > 1).then_some(now),
        finished_at: (word == 2).then_some(now),
        health,
        restart_count: 0,
        labels: BTreeMap::new(),
    })
}

proptest! {
    #[test]
    fn laws(specs in prop::array::uniform8((0_u8..9, any::<u8>(), 0_u8..4, 0_u32..5, any::<bool>())), dead in 0_usize..12) {
        let specs: [Spec; COUNT] = specs;
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let name = |index: usize| format!("c{index}");
        let files = specs.iter().enumerate().map(|(index, (_, bits, tier, _, _))| {
            // Only lower numbers, so that there is no cycle.
            let depends: Vec<String> = (0..index).filter(|other| bits & (1 << other) != 0).map(name).collect();
            let text = container(&name(index), "serve 1", &format!("tier = {tier}\ndepends_on = {depends:?}"));
            let id = name(index);
            (format!("{id}.toml"), Ok(format!("id = \"{id}\"\ntitle = \"\"\nversion = \"1\"\n{text}")))
        });
        let catalog = Catalog::from_files(files);
        let installed: Vec<Installed<'_>> = catalog.manifests().map(|manifest| Installed { package: &manifest.id, manifest: &manifest.containers[0] }).collect();
        prop_assert_eq!(installed.len(), COUNT);
        let mut statuses = BTreeMap::new();
        let mut tracker = RestartTracker::default();
        let mut stopped = BTreeSet::new();
        for (index, (word, _, _, attempts, user_stopped)) in specs.iter().enumerate() {
            statuses.extend(status(&name(index), *word, now).map(|status| (name(index), status)));
            for attempt in 0..*attempts {
                tracker.attempt(&name(index), now - TimeDelta::hours(7) + TimeDelta::hours(i64::from(attempt)));
            }
            if *user_stopped {
                stopped.insert(name(index));
            }
        }
        let dead: BTreeSet<String> = (dead < COUNT).then(|| name(dead)).into_iter().collect();
        let policy = Policy { max_attempts: 4, ..Policy::from(&Config::default().health) };
        let busy = BTreeMap::from([("c7".to_owned(), "install")]);
        let input = PlanInput { installed: &installed, statuses: &statuses, dead: &dead, tracker: &tracker, user_stopped: &stopped, busy: &busy, policy, now };
        let decisions = plan(&input);
        prop_assert_eq!(&decisions, &plan(&input), "the same input, the same plan");
        let names: BTreeSet<&str> = decisions.iter().map(|decision| decision.container.as_str()).collect();
        prop_assert_eq!((names.len(), decisions.len()), (COUNT, COUNT), "one decision a container");
        let place: BTreeMap<&str, usize> = decisions.iter().enumerate().map(|(place, decision)| (decision.container.as_str(), place)).collect();
        for (at, decision) in decisions.iter().enumerate() {
            let this = installed.iter().find(|installed| installed.manifest.name == decision.container).expect("installed");
            prop_assert!(this.manifest.depends_on.iter().all(|dependency| place[dependency.as_str()] < at), "dependencies first");
            if decision.action.starts() {
                prop_assert!(!stopped.contains(&decision.package), "never what the user stopped");
                prop_assert!(decision.package != "c7", "never what is being operated on");
                for dependency in &this.manifest.depends_on {
                    let manifest = installed.iter().find(|other| other.manifest.name == *dependency).expect("installed").manifest;
                    prop_assert!(serves(manifest, statuses.get(dependency), dead.contains(dependency)), "never before its dependencies");
                }
                let history = tracker.history(&decision.container);
                prop_assert!(history.is_none_or(|history| history.attempts < 4), "never after giving up, but by the slow lane");
            }
            if decision.action == Action::Notify {
                prop_assert_eq!(tracker.history(&decision.container).map(|history| history.attempts), Some(4));
            }
        }
    }
}

/// While podman is not done with an end, what comes next is the next attempt, and not a look before that is due.
#[test]
fn an_end_that_podman_is_not_done_with_waits_for_the_next_attempt() {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let text = format!(
        "id = \"c\"\ntitle = \"\"\nversion = \"1\"\n{}",
        container("c", "serve 1", "")
    );
    let catalog = Catalog::from_files([("c.toml".to_owned(), Ok(text))]);
    let manifest = catalog.get("c").expect("a manifest");
    let installed = [Installed {
        package: "c",
        manifest: &manifest.containers[0],
    }];
    let mut stopped = status("c", 5, now).expect("a status");
    stopped.finished_at = Some(now);
    let statuses = BTreeMap::from([("c".to_owned(), stopped)]);
    let policy = Policy::from(&Config::default().health);
    let until = |tracker: &RestartTracker| {
        let decisions = plan(&PlanInput {
            installed: &installed,
            statuses: &statuses,
            dead: &BTreeSet::new(),
            tracker,
            user_stopped: &BTreeSet::new(),
            busy: &BTreeMap::new(),
            policy,
            now,
        });
        assert_eq!(decisions[0].action, Action::Wait);
        decisions[0].until.expect("a time") - now
    };
    let mut tracker = RestartTracker::default();
    assert_eq!(until(&tracker), TimeDelta::seconds(2));
    let last = now - TimeDelta::seconds(30);
    tracker.attempt("c", last);
    assert_eq!(until(&tracker), policy.interval - TimeDelta::seconds(30));
    while tracker
        .history("c")
        .is_some_and(|history| history.attempts < policy.max_attempts)
    {
        tracker.attempt("c", last);
    }
    assert_eq!(until(&tracker), TimeDelta::seconds(2), "to give up");
    tracker.give_up("c", now);
    assert_eq!(until(&tracker), policy.slow_lane - TimeDelta::seconds(30));
}
