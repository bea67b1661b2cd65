//! How a module names its scenarios.

use std::pin::Pin;

use crate::stage::Stage;
use crate::target::Need;

/// What a scenario ends with.
pub(crate) type Outcome = Result<(), String>;

/// One scenario.
pub(crate) struct Scenario {
    /// `module_path!()` of where it stands.
    pub(crate) module: &'static str,
    /// The function's name.
    pub(crate) function: &'static str,
    /// Seconds between two looks of the health monitor.
    pub(crate) look_every: u64,
    /// Attempts before the health monitor gives up.
    pub(crate) attempts: u32,
    /// Seconds between two attempts after that.
    pub(crate) slow_lane: u64,
    /// Whether podman's events make the monitor look as well.
    pub(crate) events: bool,
    /// What a target must be able to give; where it cannot, the trial is ignored.
    pub(crate) needs: &'static [Need],
    /// Whether it runs on a live node as well: it needs none of the settings above to be other than there, and touches nothing
    /// that it did not install.
    pub(crate) is_harmless: bool,
    /// Starts it.
    pub(crate) run: for<'a> fn(&'a mut Stage) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>,
}

impl Scenario {
    /// `heal::exited_container_is_restarted_and_counted`.
    pub(crate) fn name(&self) -> String {
        let module = self.module.rsplit("::").next().unwrap_or(self.module);
        format!("{module}::{}", self.function)
    }
}

/// Lists the scenarios of a module: `scenarios![one, two look_every 3600 events true attempts 2 slow_lane 5 needs
/// [MemoryLimit] harmless true]`. One that is left out is dead code, and does not build. With `look_every` the monitor does not follow
/// events, unless it says `events true` after it.
macro_rules! scenarios {
    (@every) => { 1 };
    (@every $every:literal) => { $every };
    (@events [] []) => { true };
    (@events [$every:literal] []) => { false };
    (@events [$every:literal] [$events:literal]) => { $events };
    (@harmless) => { false };
    (@harmless $harmless:literal) => { $harmless };
    (@attempts) => { 10 };
    (@attempts $attempts:literal) => { $attempts };
    (@slow_lane) => { 21600 };
    (@slow_lane $slow_lane:literal) => { $slow_lane };
    ($($function:ident $(look_every $every:literal)? $(events $events:literal)? $(attempts $attempts:literal)? $(slow_lane $slow_lane:literal)? $(needs [$($need:ident),*])? $(harmless $harmless:literal)?),* $(,)?) => {
        pub(crate) const SCENARIOS: &[$crate::registry::Scenario] = &[
            $($crate::registry::Scenario {
                module: module_path!(),
                function: stringify!($function),
                look_every: $crate::registry::scenarios!(@every $($every)?),
                attempts: $crate::registry::scenarios!(@attempts $($attempts)?),
                slow_lane: $crate::registry::scenarios!(@slow_lane $($slow_lane)?),
                events: $crate::registry::scenarios!(@events [$($every)?] [$($events)?]),
                needs: &[$($($crate::target::Need::$need),*)?],
                is_harmless: $crate::registry::scenarios!(@harmless $($harmless)?),
                run: |stage| Box::pin($function(stage)),
            }),*
        ];
    };
}
pub(crate) use scenarios;
