//! What is going on, for a person who waits; silent where no terminal is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line with a clock that says what is being done. On a stream that is no terminal nothing is shown.
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    /// Shows it.
    pub(crate) fn new(doing: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4}  {msg}") {
            bar.set_style(style);
        }
        bar.set_message(doing.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Says what is being done now.
    pub(crate) fn say(&self, doing: &str) {
        self.0.set_message(doing.to_owned());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
