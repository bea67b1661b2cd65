//! A trial: a function on a stand-in of its own.

use std::path::PathBuf;
use std::pin::Pin;

use archipelago_lab::StandIn;

/// What a trial ends with.
pub(crate) type Outcome = Result<(), String>;

/// One trial.
pub(crate) struct StageTrial {
    /// `module_path!()` of where it stands.
    pub(crate) module: &'static str,
    /// The function's name.
    pub(crate) function: &'static str,
    /// Builds for minutes in a checkout of its own.
    pub(crate) is_long: bool,
    /// Starts it.
    pub(crate) run: for<'a> fn(&'a mut StandIn) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>,
}

impl StageTrial {
    /// `lab::node_stage::target::smoke_is_green`.
    pub(crate) fn name(&self) -> String {
        format!("lab::{}::{}", self.module, self.function)
    }

    /// Why it is not run, though this host could.
    pub(crate) fn ignored(&self) -> Option<String> {
        if self.is_long { not_asked_for() } else { None }
    }
}

/// Runs the long ones too.
const ALL: &str = "ARCHIPELAGO_TEST_WORKFLOWS";

/// Why long trials are not run; none where they are asked for.
pub(crate) fn not_asked_for() -> Option<String> {
    let all = std::env::var(ALL).is_ok_and(|wanted| wanted == "all");
    (!all).then(|| format!("it builds the workspace anew, which takes minutes; {ALL}=all runs it"))
}

/// Lists the trials of a module. One that is left out is dead code, and does not build.
macro_rules! trials {
    (long: $($function:ident),* $(,)?) => { $crate::trial::trials!(@of true: $($function),*); };
    (@of $is_long:literal: $($function:ident),*) => {
        pub(crate) const TRIALS: &[$crate::trial::StageTrial] = &[
            $($crate::trial::StageTrial {
                module: module_path!(),
                function: stringify!($function),
                is_long: $is_long,
                run: |node| Box::pin($function(node)),
            }),*
        ];
    };
    ($($function:ident),* $(,)?) => { $crate::trial::trials!(@of false: $($function),*); };
}
pub(crate) use trials;

/// Why this host can have no stand-in; none where it can, or where only trying tells. Touches no engine.
pub(crate) fn unfit() -> Option<String> {
    if !on_path("ssh") || !on_path("ssh-keygen") {
        return Some("no ssh: Debian's package is openssh-client, Fedora's openssh-clients".into());
    }
    if !on_path("rsync") {
        return Some("no rsync: a package of that name has it".into());
    }
    archipelago_lab::engine::missing()
}

/// Whether there is such a program.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a trial on a fresh stand-in; on failure keeps all that can be learned of it.
pub(crate) fn run(trial: &StageTrial) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let mut node = StandIn::builder()
            .name(trial.function.replace('_', "-"))
            .program(env!("CARGO_BIN_EXE_archipelago"))
            .start()
            .await
            .map_err(|error| archipelago_lab::chain(&error))?;
        let mut outcome = (trial.run)(&mut node).await;
        if let Err(error) = &mut outcome {
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("target/node-stage")
                .join(trial.function);
            match node.lab().evidence(&folder).await {
                Ok(_) => error.push_str(&format!("\n\nevidence: {}", folder.display())),
                Err(none) => {
                    error.push_str(&format!(
                        "\n\nno evidence: {}",
                        archipelago_lab::chain(&none)
                    ));
                }
            }
        }
        let stopped = node.stop().await;
        outcome.and(stopped.map_err(|error| archipelago_lab::chain(&error)))
    })
}
