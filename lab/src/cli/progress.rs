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

/// How many of how many are done. On a stream that is no terminal nothing is shown.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Shows it, with nothing done.
    pub(crate) fn new(of: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(of).unwrap_or(u64::MAX));
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos}/{len}  {msg:40!}")
        {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// One more is done.
    pub(crate) fn done(&self, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.inc(1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
