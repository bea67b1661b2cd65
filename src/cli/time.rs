//! Times for people. Pure.

use chrono::{DateTime, Utc};

/// How long until `due`: `in 1 min 40 s`; `now` where it has come.
pub(super) fn until(due: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let secs = (due - now).num_seconds();
    if secs <= 0 {
        return "now".to_owned();
    }
    let parts = [
        (secs / 86_400, "d"),
        (secs / 3_600 % 24, "h"),
        (secs / 60 % 60, "min"),
        (secs % 60, "s"),
    ];
    // The two largest units say enough.
    let words: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    format!("in {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units_are_named() {
        let at = |secs| DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(secs);
        for (secs, text) in [
            (-5, "now"),
            (0, "now"),
            (9, "in 9 s"),
            (100, "in 1 min 40 s"),
            (3_600, "in 1 h"),
            (21_599, "in 5 h 59 min"),
            (90_000, "in 1 d 1 h"),
        ] {
            assert_eq!(until(at(secs), at(0)), text);
        }
    }
}
