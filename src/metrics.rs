//! What is counted, and what containers use of the machine. It decides nothing and heals nothing.
//!
//! [`Meter`] counts as things happen, [`Collector`] asks podman now and then what containers use, [`text`] writes both
//! for Prometheus.

mod collector;
mod executor;
mod meter;
mod text;

pub(crate) use collector::{Collector, Usage};
pub(crate) use executor::MeteredExecutor;
pub(crate) use meter::Meter;
pub(crate) use text::{CONTENT_TYPE, Scrape, write};
