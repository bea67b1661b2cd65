//! Values of the flags of `create` and `run`.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::Parsed;
use super::container::{Port, Restart};
use super::health::HealthCheck;
use super::profile::Profile;
use super::reply::{Refused, not_implemented, refuse};

/// `--restart`.
pub(super) fn restart_policy(text: Option<&str>) -> Result<Restart, Refused> {
    Ok(match text {
        None | Some("no" | "never" | "") => Restart::No,
        Some("always") => Restart::Always,
        Some("unless-stopped") => Restart::UnlessStopped,
        Some("on-failure") => Restart::OnFailure(None),
        Some(text) => match text.strip_prefix("on-failure:") {
            Some(limit) => match limit.parse() {
                Ok(limit) => Restart::OnFailure(Some(limit)),
                Err(_) => {
                    return Err(refuse(
                        125,
                        format!(
                            "parsing restart policy retry count: {}",
                            not_a_number(limit)
                        ),
                    ));
                }
            },
            None => {
                return Err(refuse(
                    125,
                    format!(
                        "running container create option: \"{text}\" is not a valid restart policy: invalid argument"
                    ),
                ));
            }
        },
    })
}

/// Go's words for a number that is none.
fn not_a_number(text: &str) -> String {
    format!("strconv.Atoi: parsing \"{text}\": invalid syntax")
}

/// `[IP:]HOST:CONTAINER[/PROTOCOL]`.
pub(super) fn port(text: &str) -> Result<Port, Refused> {
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let mut parts = ports.rsplitn(3, ':');
    let container = port_number("container", parts.next().unwrap_or_default())?;
    let Some(host) = parts.next() else {
        return Err(not_implemented(format!(
            "`--publish {text}`: a port that podman chooses"
        )));
    };
    Ok(Port {
        host: port_number("host", host)?,
        container,
        host_ip: parts
            .next()
            .map_or("", |ip| ip.trim_matches(['[', ']']))
            .to_owned(),
        protocol: protocol.to_owned(),
    })
}

fn port_number(whose: &str, text: &str) -> Result<u16, Refused> {
    let number: i64 = text.parse().map_err(|_| {
        refuse(
            125,
            format!(
                "parsing {whose} port: invalid port number: {}",
                not_a_number(text)
            ),
        )
    })?;
    u16::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| {
            refuse(
                125,
                format!(
                    "parsing {whose} port: port numbers must be between 1 and 65535 (inclusive), got {number}"
                ),
            )
        })
}

/// `--env`: `NAME=VALUE`.
pub(super) fn variables<'a>(
    given: impl Iterator<Item = &'a str>,
    profile: &Profile,
) -> Result<Vec<String>, Refused> {
    given
        .map(|variable| match variable.split_once('=') {
            Some(("", _)) => {
                let word = profile.word_for_a_variable();
                Err(refuse(125, format!("invalid {word}: \"{variable}\"")))
            }
            Some(_) => Ok(variable.to_owned()),
            None => Err(not_implemented(format!("`--env {variable}`"))),
        })
        .collect()
}

/// `64m` in bytes; else podman's words for why not, which newer ones have for a bad suffix as well.
pub(super) fn bytes(text: &str, tells_suffix: bool) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let suffix = &text[digits.len()..];
    let unit = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => Some(1_u64),
        "k" | "kb" | "kib" => Some(1 << 10),
        "m" | "mb" | "mib" => Some(1 << 20),
        "g" | "gb" | "gib" => Some(1 << 30),
        "t" | "tb" | "tib" => Some(1 << 40),
        _ => None,
    };
    match (digits.parse::<u64>(), unit) {
        (Ok(number), Some(unit)) => Ok(number.saturating_mul(unit)),
        (Ok(_), None) if tells_suffix => Err(format!("invalid suffix: '{suffix}'")),
        _ => Err(format!("invalid size: '{text}'")),
    }
}

/// A health check: what runs, and what `inspect` shows of it.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) check: Option<HealthCheck>,
    pub(super) shown: Option<Value>,
}

/// `--health-…` and `--no-healthcheck`.
pub(super) fn health_check(parsed: &Parsed) -> Result<Health, Refused> {
    if parsed.has("no-healthcheck") {
        return Ok(Health {
            check: None,
            shown: Some(json!({ "Test": ["NONE"] })),
        });
    }
    let Some(command) = parsed.last("health-cmd") else {
        return Ok(Health::default());
    };
    let time = |flag: &str, default: &str| {
        let text = parsed.last(flag).unwrap_or(default);
        duration(text).ok_or_else(|| {
            let name = flag.replace("health-", "healthcheck-");
            refuse(
                125,
                format!("invalid {name}: time: invalid duration \"{text}\""),
            )
        })
    };
    let interval = match parsed.last("health-interval") {
        Some("disable") => None,
        _ => Some(time("health-interval", "30s")?),
    };
    let timeout = time("health-timeout", "30s")?;
    let start_period = time("health-start-period", "0s")?;
    let retries = match parsed.last("health-retries") {
        Some(text) => text
            .parse()
            .map_err(|_| not_implemented(format!("`--health-retries {text}`")))?,
        None => 3,
    };
    let test = match serde_json::from_str::<Vec<String>>(command) {
        _ if command == "none" => vec!["NONE".to_owned()],
        Ok(words) => {
            let mut test = vec!["CMD".to_owned()];
            test.extend(words);
            test
        }
        Err(_) => vec!["CMD-SHELL".to_owned(), command.to_owned()],
    };
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut shown = json!({ "Test": test, "Timeout": nanos(timeout), "Retries": retries });
    // Go leaves out what is zero.
    for (key, time) in [("Interval", interval), ("StartPeriod", Some(start_period))] {
        if let Some(time) = time.filter(|time| !time.is_zero()) {
            shown[key] = json!(nanos(time));
        }
    }
    let check = HealthCheck {
        test,
        interval: interval.unwrap_or_default(),
        retries,
        start_period,
    };
    Ok(Health {
        check: (command != "none").then_some(check),
        shown: Some(shown),
    })
}

/// `30s`, `500ms`, `2m`, `1h`; of Go's durations only those of one unit.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    Some(match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        "h" => Duration::from_secs(number * 3600),
        _ => return None,
    })
}

/// A name for who gave none: an adjective and a surname, as podman invents them, and of this id always the same.
pub(super) fn invented_name(id: &str) -> String {
    const ADJECTIVES: [&str; 16] = [
        "brave", "calm", "eager", "fair", "gentle", "happy", "jolly", "keen", "lively", "merry",
        "nice", "proud", "quiet", "sharp", "tender", "warm",
    ];
    const SURNAMES: [&str; 16] = [
        "bell", "curie", "darwin", "euler", "fermat", "gauss", "hopper", "joule", "kepler",
        "lovelace", "mendel", "newton", "pascal", "ride", "tesla", "volta",
    ];
    let digit = |at: usize| usize::from_str_radix(&id[at..=at], 16).unwrap_or_default();
    format!(
        "{}_{}{}",
        ADJECTIVES[digit(0)],
        SURNAMES[digit(1)],
        // Two of these in one place are told apart by their numbers.
        u16::from_str_radix(&id[2..6], 16).unwrap_or_default()
    )
}
