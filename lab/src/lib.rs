//! A disposable real podman: one privileged container with systemd as PID 1, started through testcontainers, in which
//! real podman runs real containers. It looks like a node, can lose power, and leaves nothing behind.
//!
//! ```text
//! engine ── finds or starts the outer engine        image ── builds what labs are started from
//!    └────────────── session ── keeper watches owners ──┐        │
//!                                                       ▼        ▼
//!                                    lab ── start, exec, files, power loss, evidence ── standin, cli, bench
//! ```
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! archipelago_lab::init();            // first thing in main
//! archipelago_lab::enter()?;          // finds or starts the engine; may start this program anew
//! let lab = archipelago_lab::Lab::builder().start().await?;
//! let version = lab.podman(&["--version"]).await?;
//! assert!(version.stdout_text().starts_with("podman version"));
//! lab.stop().await?;
//! # Ok(()) }
//! ```

pub mod bench;
pub mod conformance;
pub mod doctor;
pub mod engine;
pub mod host;
pub mod image;
pub mod lab;
pub mod session;
pub mod standin;

pub use lab::{Lab, LabBuilder, LabError};
pub use session::{Session, SessionError, die_with_parent, enter, init, join};
pub use standin::StandIn;

/// An error and its causes on one line, outermost first.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
