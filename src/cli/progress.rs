//! How far an operation is: a bar on a terminal, a line for each new step elsewhere. On standard error.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::table::one_line;
use super::view::{Operation, Progress};

/// Shows one operation while it runs.
pub(super) enum Display {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere; holds the step that was told last.
    Lines(String),
    /// For programs.
    Silent,
}

impl Display {
    /// What fits standard error.
    pub(super) fn new(as_json: bool) -> Self {
        if as_json {
            Self::Silent
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            Self::Bar(bar)
        } else {
            Self::Lines(String::new())
        }
    }

    /// Shows how it is now.
    pub(super) fn show(&mut self, operation: &Operation) {
        match self {
            Self::Bar(bar) => {
                bar.set_style(style(operation.progress.as_ref()));
                if let Some(progress) = &operation.progress {
                    match progress.total {
                        Some(total) => bar.set_length(total),
                        None => bar.unset_length(),
                    }
                    bar.set_position(progress.done);
                }
                bar.set_message(one_line(&operation.step));
            }
            Self::Lines(told) => {
                if let Some(line) = new_step(told, operation) {
                    eprintln!("{line}");
                    *told = line;
                }
            }
            Self::Silent => {}
        }
    }

    /// Says something beside the progress.
    pub(super) fn say(&self, text: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
            Self::Lines(_) => eprintln!("{text}"),
            Self::Silent => {}
        }
    }

    /// Takes it away.
    pub(super) fn end(self) {
        match self {
            Self::Bar(bar) => bar.finish_and_clear(),
            Self::Lines(_) | Self::Silent => {}
        }
    }
}

/// The line for a step that was not told yet. Pure.
fn new_step(told: &str, operation: &Operation) -> Option<String> {
    let step = one_line(&operation.step);
    (!step.is_empty() && step != told).then_some(step)
}

/// How progress of that kind is drawn. Pure.
fn template(progress: Option<&Progress>) -> &'static str {
    match progress {
        None => "{spinner} {msg} ({elapsed})",
        Some(Progress {
            total: None, unit, ..
        }) if unit == "bytes" => "{spinner} {msg} {bytes} ({bytes_per_sec})",
        Some(Progress {
            total: Some(_),
            unit,
            ..
        }) if unit == "bytes" => {
            "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} ({bytes_per_sec})"
        }
        Some(Progress { total: None, .. }) => "{spinner} {msg} {pos}",
        Some(Progress { total: Some(_), .. }) => "{spinner} {msg} {bar:20} {pos}/{len}",
    }
}

fn style(progress: Option<&Progress>) -> ProgressStyle {
    ProgressStyle::with_template(template(progress))
        // Every template is tried in the tests.
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(step: &str) -> Operation {
        serde_json::from_value(serde_json::json!({
            "id": 1, "kind": "install", "package": "a", "state": "running", "step": step,
        }))
        .expect("an operation")
    }

    #[test]
    fn a_step_is_told_once() {
        assert_eq!(
            new_step("", &operation("pulling a (1 of 2)")).as_deref(),
            Some("pulling a (1 of 2)")
        );
        assert_eq!(
            new_step("pulling a (1 of 2)", &operation("pulling a (1 of 2)")),
            None
        );
        assert_eq!(new_step("x", &operation("")), None);
    }

    #[test]
    fn every_way_to_draw_progress_is_a_template() {
        let kinds = [
            (Some(1), "bytes"),
            (None, "bytes"),
            (Some(1), "containers"),
            (None, "containers"),
        ];
        let progresses = kinds.map(|(total, unit)| {
            Some(Progress {
                done: 0,
                total,
                unit: unit.to_owned(),
            })
        });
        for progress in progresses.iter().chain([&None]) {
            let template = template(progress.as_ref());
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
