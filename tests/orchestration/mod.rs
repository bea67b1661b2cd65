//! One module a behaviour; [`node::Node`] is what they all work on.

mod bad_clock;
mod bad_names;
mod bad_podman;
mod bad_state;
mod catalog;
mod events;
mod heal;
mod install;
mod metrics;
mod named;
mod node;
mod plan;
mod recover;
mod rpc;
mod rpc_limits;
mod schema;
mod secrets;
mod stop;
mod uninstall;
mod watch;
mod watchdog;
mod woken;
