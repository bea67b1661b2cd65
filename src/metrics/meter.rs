//! Counters that only go up while the daemon runs.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::health_monitor::Action;
use crate::package::{OperationState, OperationView};

/// Upper bounds of how long podman takes, in seconds: from a list that is quick to a pull.
const PODMAN_SECONDS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Command {
    command: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandOutcome {
    command: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Heal {
    action: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RpcCall {
    method: &'static str,
    outcome: &'static str,
}

/// The counters. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    podman_calls: Family<CommandOutcome, Counter>,
    podman_seconds: Family<Command, Histogram>,
    heals: Family<Heal, Counter>,
    operations: Family<Ended, Counter>,
    rpc_calls: Family<RpcCall, Counter>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            podman_calls: Family::default(),
            podman_seconds: Family::new_with_constructor(|| Histogram::new(PODMAN_SECONDS)),
            heals: Family::default(),
            operations: Family::default(),
            rpc_calls: Family::default(),
        }
    }
}

impl Meter {
    /// A podman command ended: with this code, or not at all.
    pub(super) fn podman(&self, args: &[&str], code: Option<i32>, took: Duration) {
        let command = command(args);
        let outcome = match code {
            Some(0) => "succeeded",
            Some(_) => "failed",
            None => "broken",
        };
        let seconds = Command {
            command: command.clone(),
        };
        self.podman_seconds
            .get_or_create(&seconds)
            .observe(took.as_secs_f64());
        self.podman_calls
            .get_or_create(&CommandOutcome { command, outcome })
            .inc();
    }

    /// The monitor made an attempt at a container.
    pub(crate) fn healed(&self, action: Action, succeeded: bool) {
        let heal = Heal {
            action: action.name(),
            outcome: if succeeded { "succeeded" } else { "failed" },
        };
        self.heals.get_or_create(&heal).inc();
    }

    /// An operation ended.
    pub(super) fn ended(&self, operation: &OperationView) {
        let outcome = match operation.state {
            OperationState::Running => return,
            OperationState::Succeeded => "succeeded",
            OperationState::Failed => "failed",
            OperationState::Cancelled => "cancelled",
        };
        let kind = operation.kind.name();
        self.operations
            .get_or_create(&Ended { kind, outcome })
            .inc();
    }

    /// A method was called.
    pub(crate) fn called(&self, method: &'static str, succeeded: bool) {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        self.rpc_calls
            .get_or_create(&RpcCall { method, outcome })
            .inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "podman_commands",
            "podman commands that ended; broken ones were given up or could not be started",
            self.podman_calls.clone(),
        );
        registry.register_with_unit(
            "podman_command_duration",
            "How long podman commands took",
            Unit::Seconds,
            self.podman_seconds.clone(),
        );
        registry.register(
            "heals",
            "Attempts of the health monitor to bring a container up",
            self.heals.clone(),
        );
        registry.register(
            "operations",
            "Operations on packages that ended",
            self.operations.clone(),
        );
        registry.register(
            "rpc_calls",
            "Calls of methods of the RPC service",
            self.rpc_calls.clone(),
        );
    }
}

/// The command without what it works on: `ps`, `image exists`.
fn command(args: &[&str]) -> String {
    const GROUPS: [&str; 7] = [
        "container",
        "healthcheck",
        "image",
        "network",
        "secret",
        "system",
        "volume",
    ];
    match args {
        [group, verb, ..] if GROUPS.contains(group) => format!("{group} {verb}"),
        [verb, ..] => (*verb).to_owned(),
        [] => String::new(),
    }
}
