//! From a look at podman to the tracker: how containers ended, which came up.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use crate::container::exit_reason::{Evidence, ExitReason};
use crate::container::status::{ContainerState, ContainerStatus};
use crate::package::Packages;
use crate::restart_tracker::{ExitRecord, Seen};

impl Packages {
    /// Takes a look into the tracker: how containers ended, which came up, whose dependents are forgiven. Not of packages
    /// that an operation or the monitor (`healing`) is at work on: what is seen of them is our own doing.
    pub(crate) fn observe_all(
        &self,
        statuses: &BTreeMap<String, ContainerStatus>,
        dead: &BTreeSet<String>,
        healing: &BTreeSet<String>,
    ) {
        let now = self.clock.now();
        let stability = TimeDelta::from_std(self.config.health.stability).unwrap_or(TimeDelta::MAX);
        let looks: Vec<(String, String, Vec<String>, Seen)> = {
            let book = self.book();
            let containers: Vec<_> = book
                .installed()
                .filter(|(package, _)| {
                    !book.operations.contains_key(*package) && !healing.contains(*package)
                })
                .collect();
            // Once for all that came up, and only then: after the start of the node that is every container.
            let dependents_of = LazyCell::new(|| {
                let mut dependents: HashMap<&str, Vec<&str>> = HashMap::new();
                for (_, other) in &containers {
                    for needed in other.needs().flatten() {
                        dependents.entry(needed).or_default().push(&other.name);
                    }
                }
                dependents
            });
            containers
                .iter()
                .filter_map(|(package, manifest)| {
                    let status = statuses.get(&manifest.name)?;
                    let evidence = Evidence {
                        user_stopped: book.stopped.is_stopped(package),
                        process_alive: Some(!dead.contains(&manifest.name)),
                        ..Evidence::default()
                    };
                    let seen = look_at(status, &evidence, manifest.one_shot, now);
                    let came_up = seen.running
                        && book
                            .tracker
                            .history(&manifest.name)
                            .is_none_or(|history| history.running_since.is_none());
                    let dependents = if came_up {
                        let dependents = dependents_of.get(manifest.name.as_str());
                        let names = dependents.into_iter().flatten();
                        names.map(|name| (*name).to_owned()).collect()
                    } else {
                        Vec::new()
                    };
                    Some((
                        (*package).to_owned(),
                        manifest.name.clone(),
                        dependents,
                        seen,
                    ))
                })
                .collect()
        };
        let recovered = self.change_tracker(|tracker| {
            let mut recovered = Vec::new();
            for (package, name, dependents, seen) in looks {
                let had_given_up = tracker.gave_up(&name);
                if tracker.observe(&name, seen, now, stability) {
                    for dependent in dependents {
                        tracker.forgive(&dependent);
                    }
                }
                if had_given_up && !tracker.gave_up(&name) {
                    recovered.push((package, name));
                }
            }
            recovered
        });
        for (package, name) in recovered {
            self.recovered(&package, &name);
        }
    }
}

fn look_at(
    status: &ContainerStatus,
    evidence: &Evidence<'_>,
    one_shot: bool,
    now: DateTime<Utc>,
) -> Seen {
    let reason = ExitReason::of(status, evidence);
    let exit = match &reason {
        // Not an end, or one that was wanted.
        None
        | Some(
            ExitReason::NeverStarted | ExitReason::StartFailed { .. } | ExitReason::UserStopped,
        ) => None,
        Some(ExitReason::CleanExit) if one_shot => None,
        Some(ExitReason::PowerLost | ExitReason::Lost) => Some((None, now)),
        Some(
            ExitReason::CleanExit
            | ExitReason::OutOfMemory
            | ExitReason::Killed
            | ExitReason::Crashed { .. },
        ) => Some((Some(status.exit_code), status.finished_at.unwrap_or(now))),
    };
    Seen {
        running: status.state == ContainerState::Running && reason.is_none(),
        started_at: status.started_at,
        stopping: status.state == ContainerState::Stopping,
        podman_restarts: status.restart_count,
        exit: reason.zip(exit).map(|(reason, (code, at))| ExitRecord {
            reason: reason.shown_as().to_owned(),
            code,
            at,
            run: status.started_at,
        }),
    }
}
