//! What a look costs beyond asking podman: `plan()`, the start order, and what a user interface is shown.
//!
//! The aim for 10,000 containers is 5 ms, and ten times the containers in ten times the time: compare the lines.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use archipelago::catalog::{ContainerManifest, Manifest, start_order};
use archipelago::config::Config;
use archipelago::container::status::{ContainerState, ContainerStatus};
use archipelago::health_monitor::{Installed, PlanInput, Policy, plan};
use archipelago::package::{PackageRecord, Phase, UserStopped};
use archipelago::restart_tracker::RestartTracker;
use archipelago::state::{StateInput, entries};
use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Containers of one package: a database, a service on it, and two that need the service.
const OF_A_PACKAGE: usize = 4;

/// A node: a tenth of its containers has crashed, a tenth was tried before, a tenth of the packages is stopped.
struct Node {
    records: BTreeMap<String, PackageRecord>,
    statuses: BTreeMap<String, ContainerStatus>,
    tracker: RestartTracker,
    stopped: UserStopped,
    now: DateTime<Utc>,
}

impl Node {
    fn of(containers: usize) -> Self {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let mut node = Self {
            records: BTreeMap::new(),
            statuses: BTreeMap::new(),
            tracker: RestartTracker::default(),
            stopped: UserStopped::default(),
            now,
        };
        for package in 0..containers / OF_A_PACKAGE {
            let id = format!("package-{package:05}");
            let manifest = manifest(&id);
            for (index, container) in manifest.containers.iter().enumerate() {
                let number = package * OF_A_PACKAGE + index;
                let name = &container.name;
                node.statuses
                    .insert(name.clone(), status(name, number % 10 == 7, now));
                if number % 10 == 3 {
                    node.tracker.attempt(name, now - TimeDelta::seconds(30));
                }
            }
            if package % 10 == 5 {
                node.stopped.stop(&id, now);
            }
            let record = PackageRecord {
                manifest,
                phase: Phase::Installed,
                made: Vec::new(),
                docker_image: None,
                previous: None,
                since: now,
            };
            node.records.insert(id, record);
        }
        node
    }

    fn installed(&self) -> Vec<Installed<'_>> {
        self.records
            .iter()
            .flat_map(|(id, record)| {
                let containers = record.manifest.containers.iter();
                containers.map(move |manifest| Installed {
                    package: id,
                    manifest,
                })
            })
            .collect()
    }

    fn containers(&self) -> Vec<&ContainerManifest> {
        self.installed()
            .into_iter()
            .map(|installed| installed.manifest)
            .collect()
    }
}

fn manifest(id: &str) -> Manifest {
    let mut text = format!("id = \"{id}\"\ntitle = \"{id}\"\nversion = \"1\"\n");
    for (role, tier, needs) in [
        ("db", 0, ""),
        ("core", 1, "db"),
        ("api", 2, "core"),
        ("web", 3, "core"),
    ] {
        let needs: Vec<String> = needs
            .split(' ')
            .filter(|needs| !needs.is_empty())
            .map(|needs| format!("{id}-{needs}"))
            .collect();
        text.push_str(&format!(
            "[[containers]]\nname = \"{id}-{role}\"\nimage = \"localhost/x:1\"\ntier = {tier}\ndepends_on = {needs:?}\n"
        ));
    }
    toml::from_str(&text).expect("a manifest")
}

fn status(name: &str, crashed: bool, now: DateTime<Utc>) -> ContainerStatus {
    ContainerStatus {
        id: format!("{name:0>64}"),
        name: name.to_owned(),
        image: "localhost/x:1".to_owned(),
        state: if crashed {
            ContainerState::Exited
        } else {
            ContainerState::Running
        },
        pid: u32::from(!crashed),
        exit_code: i32::from(crashed),
        oom_killed: Some(false),
        error: None,
        created_at: now - TimeDelta::hours(2),
        started_at: Some(now - TimeDelta::hours(1)),
        finished_at: crashed.then_some(now),
        health: None,
        restart_count: 0,
        labels: BTreeMap::new(),
    }
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    for containers in [100, 1_000, 10_000] {
        let node = Node::of(containers);
        let installed = node.installed();
        let stopped = node.stopped.packages();
        let input = PlanInput {
            installed: &installed,
            statuses: &node.statuses,
            dead: &BTreeSet::new(),
            tracker: &node.tracker,
            user_stopped: &stopped,
            busy: &BTreeMap::new(),
            policy: Policy::from(&Config::default().health),
            now: node.now,
        };
        assert_eq!(plan(&input).len(), containers);
        group.throughput(Throughput::Elements(containers as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(containers),
            &input,
            |b, input| {
                b.iter(|| plan(black_box(input)));
            },
        );
    }
    group.finish();
}

fn order(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("start_order");
    for containers in [1_000, 10_000] {
        let node = Node::of(containers);
        let manifests = node.containers();
        group.throughput(Throughput::Elements(containers as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(containers),
            &manifests,
            |b, manifests| b.iter(|| start_order(black_box(manifests).iter().copied())),
        );
    }
    group.finish();
}

fn shown(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("entries");
    for containers in [100, 1_000, 10_000] {
        let node = Node::of(containers);
        let installed = node.installed();
        let stopped = node.stopped.packages();
        let none = BTreeSet::new();
        let plan = plan(&PlanInput {
            installed: &installed,
            statuses: &node.statuses,
            dead: &none,
            tracker: &node.tracker,
            user_stopped: &stopped,
            busy: &BTreeMap::new(),
            policy: Policy::from(&Config::default().health),
            now: node.now,
        });
        let input = StateInput {
            records: &node.records,
            statuses: &node.statuses,
            tracker: &node.tracker,
            stopped: &node.stopped,
            operations: &BTreeMap::new(),
            healing: &none,
            dead: &none,
            ran_before: &none,
            plan: &plan,
            max_attempts: 10,
            now: node.now,
        };
        group.throughput(Throughput::Elements(containers as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(containers),
            &input,
            |b, input| {
                b.iter(|| entries(black_box(input)));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, decisions, order, shown);
criterion_main!(benches);
