//! Times and sizes for people, as podman words them.

use chrono::TimeDelta;

/// `3 minutes`, `About an hour`, `56 years`.
pub(super) fn duration(time: TimeDelta) -> String {
    let seconds = time.num_seconds();
    // Rounded, as podman does.
    let hours = (seconds + 1800) / 3600;
    match seconds {
        i64::MIN..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// `1.84 MB`: three digits, in powers of 1000.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut unit = 0;
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut number = bytes as f64;
    while number >= 1000.0 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    let decimals = match number {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{number:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_podman_words_them() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (119, "About a minute"),
            (150, "2 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (86_400 * 3, "3 days"),
            (86_400 * 20, "2 weeks"),
            (86_400 * 90, "3 months"),
            (86_400 * 365 * 56, "56 years"),
        ] {
            assert_eq!(duration(TimeDelta::seconds(seconds)), text);
        }
        for (bytes, text) in [
            (0, "0 B"),
            (1_835_137, "1.84 MB"),
            (12_300, "12.3 kB"),
            (500_000_000, "500 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
