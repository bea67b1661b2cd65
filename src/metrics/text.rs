//! The text that Prometheus reads (OpenMetrics 1.0). Pure.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;

use super::{Meter, Usage};
use crate::state::{PackageDataEntry, PackageState};

/// Media type of [`write`]'s text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that a scrape tells beside the counters.
pub(crate) struct Scrape<'a> {
    /// Every package; nothing where podman could not be asked.
    pub(crate) packages: Option<&'a [PackageDataEntry]>,
    pub(crate) usage: &'a Usage,
    /// Passes of the health monitor in which podman could be asked.
    pub(crate) looks: u64,
    pub(crate) last_look: Option<DateTime<Utc>>,
    /// Operations under way.
    pub(crate) operations: usize,
    /// Open event streams.
    pub(crate) streams: usize,
    pub(crate) now: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Container {
    package: String,
    container: String,
}

type Gauges<L> = Family<L, Gauge>;
type FloatGauges<L> = Family<L, Gauge<f64, std::sync::atomic::AtomicU64>>;

/// The text.
///
/// # Errors
/// None in practice: it is written to memory.
pub(crate) fn write(meter: &Meter, scrape: &Scrape<'_>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("archipelago");
    registry.register(
        "build",
        "The version of archipelago",
        Info::new([("version", env!("CARGO_PKG_VERSION"))]),
    );
    gauge(
        &mut registry,
        "podman_up",
        "Whether podman could be asked for this scrape",
        i64::from(scrape.packages.is_some()),
    );
    daemon(&mut registry, scrape);
    if let Some(packages) = scrape.packages {
        of_packages(&mut registry, packages);
    }
    of_usage(&mut registry, scrape.usage);
    meter.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    registry.register(name, help, ConstGauge::new(value));
}

/// Things counted in usize fit.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn daemon(registry: &mut Registry, scrape: &Scrape<'_>) {
    registry.register(
        "looks",
        "Passes of the health monitor in which podman could be asked",
        ConstCounter::new(scrape.looks),
    );
    if let Some(last_look) = scrape.last_look {
        let age = (scrape.now - last_look).as_seconds_f64().max(0.0);
        registry.register_with_unit(
            "last_look_age",
            "Since the end of the health monitor's last pass",
            Unit::Seconds,
            ConstGauge::new(age),
        );
    }
    gauge(
        registry,
        "operations_running",
        "Operations on packages under way",
        count(scrape.operations),
    );
    gauge(
        registry,
        "event_streams",
        "Open streams of events",
        count(scrape.streams),
    );
}

fn of_packages(registry: &mut Registry, packages: &[PackageDataEntry]) {
    let containers = || packages.iter().flat_map(|package| &package.containers);
    let states = by_state(packages.iter().map(|package| package.state));
    registry.register("packages", "Installed packages by state", states);
    let states = by_state(containers().map(|container| container.state));
    registry.register("containers", "Containers of packages by state", states);
    let up = Gauges::<Container>::default();
    let attempts = Gauges::<Container>::default();
    for package in packages {
        for container in &package.containers {
            let labels = Container {
                package: package.id.clone(),
                container: container.name.clone(),
            };
            let is_up = container.state == PackageState::Running;
            up.get_or_create(&labels).set(i64::from(is_up));
            attempts
                .get_or_create(&labels)
                .set(i64::from(container.restarts));
        }
    }
    registry.register(
        "container_up",
        "Whether a container runs and is healthy where it has a check",
        up,
    );
    registry.register(
        "container_restart_attempts",
        "Attempts of the health monitor since the container was last stable",
        attempts,
    );
}

/// How many are in each state.
fn by_state(states: impl Iterator<Item = PackageState>) -> Gauges<State> {
    let mut counts: BTreeMap<PackageState, usize> = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    let gauges = Gauges::default();
    for (state, number) in counts {
        let state = word(&state);
        gauges.get_or_create(&State { state }).set(count(number));
    }
    gauges
}

/// The word that a user interface shows.
fn word(state: &impl Serialize) -> String {
    serde_json::to_value(state)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn of_usage(registry: &mut Registry, usage: &Usage) {
    let Some(sampled_at) = usage.sampled_at else {
        return;
    };
    let cpu = Family::<
        Container,
        prometheus_client::metrics::counter::Counter<f64, std::sync::atomic::AtomicU64>,
    >::default();
    let memory = Gauges::<Container>::default();
    let limit = Gauges::<Container>::default();
    let percent = FloatGauges::<Container>::default();
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    for container in &usage.containers {
        let labels = Container {
            package: container.package.clone(),
            container: container.name.clone(),
        };
        cpu.get_or_create(&labels).inc_by(container.cpu_seconds);
        memory
            .get_or_create(&labels)
            .set(bytes(container.memory_bytes));
        limit
            .get_or_create(&labels)
            .set(bytes(container.memory_limit_bytes));
        if let Some(share) = container.cpu_percent {
            percent.get_or_create(&labels).set(share);
        }
    }
    registry.register_with_unit(
        "container_cpu",
        "Processor time since the container's start, at the last sample",
        Unit::Seconds,
        cpu,
    );
    registry.register(
        "container_cpu_percent",
        "Share of one processor between the last two samples",
        percent,
    );
    registry.register_with_unit(
        "container_memory",
        "Memory in use at the last sample",
        Unit::Bytes,
        memory,
    );
    registry.register_with_unit(
        "container_memory_limit",
        "The container's memory limit, or the memory of the machine",
        Unit::Bytes,
        limit,
    );
    registry.register_with_unit(
        "usage_sampled",
        "When podman was last asked what containers use, since 1970",
        Unit::Seconds,
        ConstGauge::new(sampled_at.timestamp()),
    );
}
