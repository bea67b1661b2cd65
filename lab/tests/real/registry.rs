//! Trials, registered at the top of the file that holds them: `scenarios![a, b];`. A function that is left out of its list
//! is never used, which the lint `dead_code` refuses.

use std::pin::Pin;

/// What a trial's run yields: nothing, or why it failed with all its causes.
pub(crate) type Ending = Result<(), String>;

/// One async test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// `module_path!()` of its file.
    pub(crate) module: &'static str,
    /// Its function.
    pub(crate) name: &'static str,
    /// Begins it.
    pub(crate) begin: fn() -> Pin<Box<dyn Future<Output = Ending>>>,
}

impl Scenario {
    /// Its path without the name of the test program: `bad_input::no_engine_names_the_packages_to_install`.
    pub(crate) fn path(&self) -> String {
        match self.module.split_once("::") {
            Some((_, module)) => format!("{module}::{}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Runs it to its end in a runtime of its own: labs have to be dropped inside one.
    pub(crate) fn run(&self) -> Ending {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))?
            .block_on((self.begin)())
    }
}

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        pub(crate) const SCENARIOS: &[$crate::registry::Scenario] = &[$($crate::registry::Scenario {
            module: module_path!(),
            name: stringify!($name),
            // `{:?}` keeps the causes, which libtest-mimic's own conversion drops.
            begin: || ::std::boxed::Box::pin(async { $name().await.map_err(|error| format!("{error:?}")) }),
        }),*];
    };
}
pub(crate) use scenarios;
