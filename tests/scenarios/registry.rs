//! How a module names its scenarios.

use std::pin::Pin;

use crate::stage::Stage;

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

/// Lists the scenarios of a module: `scenarios![a, b; look_every 3600: c]`. One that is left out is dead code.
macro_rules! scenarios {
    (@one $every:expr, $function:ident) => {
        $crate::registry::Scenario {
            module: module_path!(),
            function: stringify!($function),
            look_every: $every,
            run: |stage| Box::pin($function(stage)),
        }
    };
    ($($function:ident $(look_every $every:literal)?),* $(,)?) => {
        pub(crate) const SCENARIOS: &[$crate::registry::Scenario] = &[
            $(scenarios!(@one scenarios!(@every $($every)?), $function)),*
        ];
    };
    (@every) => { 1 };
    (@every $every:literal) => { $every };
}
pub(crate) use scenarios;
