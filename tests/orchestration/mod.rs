//! One module a behaviour; [`node::Node`] is what they all work on.

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
