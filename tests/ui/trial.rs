//! What a trial is, and how one runs on a mock node.

use std::pin::Pin;

use crate::browser::Browser;
use crate::node::Node;

/// What a trial ends with.
pub(crate) type Outcome = Result<(), String>;

/// One trial: a node `N` and a browser.
pub(crate) struct OnNode<N: 'static> {
    /// `module_path!()` of where it stands.
    pub(crate) module: &'static str,
    /// The function's name.
    pub(crate) function: &'static str,
    /// Starts it.
    #[expect(
        clippy::type_complexity,
        reason = "the type of an async fn over two references"
    )]
    pub(crate) run: for<'a> fn(&'a N, &'a Browser) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>,
}

impl<N> OnNode<N> {
    /// `flow::an_install_is_cancelled`.
    pub(crate) fn name(&self) -> String {
        let module = self.module.rsplit("::").next().unwrap_or(self.module);
        format!("{module}::{}", self.function)
    }
}

/// Lists the trials of a module; one that is left out is dead code, and does not build.
macro_rules! trials {
    ($node:ty; $($function:ident),* $(,)?) => {
        pub(crate) const TRIALS: &[$crate::trial::OnNode<$node>] = &[
            $($crate::trial::OnNode {
                module: module_path!(),
                function: stringify!($function),
                run: |node, browser| Box::pin($function(node, browser)),
            }),*
        ];
    };
}
pub(crate) use trials;

/// Runs a trial on a fresh mock node. The browser must not have complained: a violation of the content security policy
/// is a line on its console.
pub(crate) fn run_mock(trial: &OnNode<Node>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let node = Node::new().await?;
        let browser = Browser::start().await?;
        let outcome = judged((trial.run)(&node, &browser).await, &trial.name(), &browser).await;
        browser.end().await;
        node.end().await;
        outcome
    })
}

/// The outcome, together with what the browser complained of; on failure with a picture.
pub(crate) async fn judged(outcome: Outcome, name: &str, browser: &Browser) -> Outcome {
    let complaints = browser.complaints().await;
    let outcome = match (outcome, complaints) {
        (Ok(()), Ok(complaints)) if complaints.is_empty() => return Ok(()),
        (Ok(()), Ok(complaints)) => {
            format!("the browser complained:\n{}", complaints.join("\n"))
        }
        (Ok(()), Err(error)) => error,
        (Err(error), Ok(complaints)) => format!("{error}\n{}", complaints.join("\n")),
        (Err(error), Err(_)) => error,
    };
    Err(match browser.keep_picture(name).await {
        Ok(path) => format!("{outcome}\npicture: {path}"),
        Err(error) => format!("{outcome}\nno picture: {error}"),
    })
}

/// Ends a trial with an error unless it holds.
pub(crate) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise()) }
}
