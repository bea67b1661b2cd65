//! `create` and `run -d`.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::args::{Flag, Order, Parsed, option, switch};
use super::container::{Container, Mount, News, Port, Restart};
use super::given::Given;
use super::health::HealthCheck;
use super::pull::{self, Pulled};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::state::{State, Volume, is_name, pairs};
use super::{MockPodman, lifecycle, read};
use crate::container::status::ContainerState;

const FLAGS: &[Flag] = &[
    option("name", None),
    option("pull", None),
    option("label", Some('l')),
    option("env", Some('e')),
    option("publish", Some('p')),
    option("volume", Some('v')),
    option("secret", None),
    option("network", None),
    option("memory", Some('m')),
    option("user", Some('u')),
    option("restart", None),
    option("stop-timeout", None),
    option("stop-signal", None),
    option("shm-size", None),
    option("network-alias", None),
    option("entrypoint", None),
    option("health-cmd", None),
    option("health-interval", None),
    option("health-timeout", None),
    option("health-retries", None),
    option("health-start-period", None),
    switch("init", None),
    switch("rm", None),
    switch("detach", Some('d')),
];

/// podman's stop timeout where none is given.
const DEFAULT_STOP_TIMEOUT: u64 = 10;

/// `podman create`.
pub(super) async fn create(mock: &MockPodman, args: &[&str]) -> Answer {
    let (id, lines) = make(mock, "create", args).await?;
    Ok(made(&id, lines))
}

/// `podman run -d`.
pub(super) async fn run(mock: &MockPodman, args: &[&str]) -> Answer {
    if !read("run", args, FLAGS, Order::FlagsFirst)?.has("detach") {
        return Err(not_implemented("`podman run` without `-d`"));
    }
    let (id, lines) = make(mock, "run", args).await?;
    mock.with(|state, now| lifecycle::start_one(state, now, &id))
        .map_err(|failed| refuse(failed.run_code, failed.text))?;
    Ok(made(&id, lines))
}

/// The id, and what was said while its image was pulled.
fn made(id: &str, lines: String) -> Reply {
    Reply {
        stderr: lines,
        ..Reply::line(id)
    }
}

/// Makes a container; returns its id, and what was said while its image was pulled.
async fn make(
    mock: &MockPodman,
    command: &str,
    args: &[&str],
) -> Result<(String, String), Refused> {
    let parsed = read(command, args, FLAGS, Order::FlagsFirst)?;
    let Some((image, words)) = parsed.operands.split_first() else {
        return Err(refuse(125, "requires at least 1 arg(s), only received 0"));
    };
    let (pulled, lines) = pull::for_container(mock, image, parsed.last("pull")).await?;
    let id = mock.with(|state, now| add(state, now, &parsed, &pulled, words))?;
    Ok((id, lines))
}

fn add(
    state: &mut State,
    now: DateTime<Utc>,
    parsed: &Parsed,
    image: &Pulled,
    words: &[String],
) -> Result<String, Refused> {
    let id = state.new_id();
    let name = match parsed.last("name") {
        Some(name) if is_name(name) => name.to_owned(),
        Some(_) => {
            return Err(refuse(
                125,
                "running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
            ));
        }
        None => format!("mock_{}", &id[..8]),
    };
    if let Some(owner) = state.containers.iter().find(|other| other.name == name) {
        let hint = if state.is_4() {
            ""
        } else {
            ", or use --replace to instruct Podman to do so."
        };
        return Err(refuse(
            125,
            format!(
                "creating container storage: the container name \"{name}\" is already in use by {}. You have to remove that container to be able to reuse that name: that name is already in use{hint}",
                owner.id
            ),
        ));
    }
    let network = parsed.last("network").unwrap_or("podman").to_owned();
    if !state.networks.contains_key(&network) && !matches!(network.as_str(), "host" | "none") {
        return Err(refuse(
            125,
            format!("unable to find network with name or ID {network}: network not found"),
        ));
    }
    let given = Given::of(state, parsed.all("secret"))?;
    let restart = restart_policy(parsed.last("restart"))?;
    let ports = parsed
        .all("publish")
        .map(port)
        .collect::<Result<Vec<_>, _>>()?;
    let memory = parsed.last("memory").map(bytes).transpose()?;
    let check = health_check(parsed)?;
    let stop_timeout = parsed
        .last("stop-timeout")
        .map_or(Ok(DEFAULT_STOP_TIMEOUT), str::parse)
        .map_err(|_| {
            not_implemented(format!(
                "`--stop-timeout {:?}`",
                parsed.last("stop-timeout")
            ))
        })?;
    let labels = pairs("label", parsed.all("label"))?;
    // Last, for it makes volumes: a refused create leaves none.
    let mounts = parsed
        .all("volume")
        .map(|text| mount(state, now, text))
        .collect::<Result<Vec<_>, _>>()?;
    let entrypoint = parsed.last("entrypoint").map(str::to_owned);
    let app = state.app_of(&name, &image.name, entrypoint.as_deref(), words);
    state.containers.push(Container {
        id: id.clone(),
        name,
        image_id: image.id.clone(),
        app,
        image: image.name.clone(),
        entrypoint,
        command: words.to_vec(),
        labels,
        env: parsed.all("env").map(str::to_owned).collect(),
        ports,
        mounts,
        network,
        restart,
        stop_timeout,
        init: parsed.has("init"),
        auto_remove: parsed.has("rm"),
        memory,
        check,
        created_at: now,
        state: ContainerState::Created,
        pid: 0,
        exit_code: 0,
        oom_killed: false,
        error: String::new(),
        started_at: None,
        finished_at: None,
        restart_count: 0,
        is_stopped_on_purpose: false,
        is_ghost: false,
        has_lost_monitor: false,
        refuses_removal: 0,
        health: None,
        logs: Vec::new(),
        secret_env: given.env,
        secret_files: given.files,
        files: BTreeMap::new(),
        events: Vec::new(),
        news: vec![News {
            status: "create".into(),
            exit_code: None,
            health: None,
        }],
    });
    Ok(id)
}

fn restart_policy(text: Option<&str>) -> Result<Restart, Refused> {
    Ok(match text {
        None | Some("no" | "never" | "") => Restart::No,
        Some("always") => Restart::Always,
        Some("unless-stopped") => Restart::UnlessStopped,
        Some("on-failure") => Restart::OnFailure(None),
        Some(text) => match text.strip_prefix("on-failure:").map(str::parse) {
            Some(Ok(limit)) => Restart::OnFailure(Some(limit)),
            Some(Err(_)) | None => {
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

/// `[IP:]HOST:CONTAINER[/PROTOCOL]`.
fn port(text: &str) -> Result<Port, Refused> {
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let mut parts = ports.rsplitn(3, ':');
    let numbers = (parts.next().map(str::parse), parts.next().map(str::parse));
    let (Some(Ok(container)), Some(Ok(host))) = numbers else {
        return Err(not_implemented(format!("`--publish {text}`")));
    };
    if host == 0 || container == 0 {
        return Err(refuse(
            125,
            "parsing host port: port numbers must be between 1 and 65535 (inclusive), got 0",
        ));
    }
    Ok(Port {
        host_ip: parts
            .next()
            .map_or("", |ip| ip.trim_matches(['[', ']']))
            .to_owned(),
        host,
        container,
        protocol: protocol.to_owned(),
    })
}

/// `VOLUME:PATH[:OPTIONS]`, `SOURCE:PATH[:OPTIONS]`, or `PATH` for an anonymous volume. A volume that is not there
/// is made. A bind source below `/no/such` is not there; every other one is.
fn mount(state: &mut State, now: DateTime<Utc>, text: &str) -> Result<Mount, Refused> {
    let parts: Vec<&str> = text.split(':').collect();
    let (volume, path, is_anonymous) = match parts[..] {
        [path] => (state.new_id(), path, true),
        [source, path] | [source, path, "ro" | "rw" | "z" | "Z"] => {
            (source.to_owned(), path, false)
        }
        _ => return Err(not_implemented(format!("`--volume {text}`"))),
    };
    if volume.starts_with("/no/such") {
        return Err(refuse(
            125,
            format!("statfs {volume}: no such file or directory"),
        ));
    }
    if !volume.starts_with('/') && !state.volumes.contains_key(&volume) {
        let made = Volume {
            labels: BTreeMap::new(),
            created_at: now,
            is_anonymous,
            files: BTreeMap::new(),
        };
        state.volumes.insert(volume.clone(), made);
    }
    Ok(Mount {
        volume,
        path: path.to_owned(),
    })
}

/// `64m` in bytes.
fn bytes(text: &str) -> Result<u64, Refused> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kb" => Some(1 << 10),
        "m" | "mb" => Some(1 << 20),
        "g" | "gb" => Some(1 << 30),
        _ => None,
    };
    match (digits.parse::<u64>(), unit) {
        (Ok(number), Some(unit)) => Ok(number.saturating_mul(unit)),
        _ => Err(refuse(
            125,
            format!("invalid value for memory: invalid size: '{text}'"),
        )),
    }
}

fn health_check(parsed: &Parsed) -> Result<Option<HealthCheck>, Refused> {
    if parsed
        .last("health-cmd")
        .is_none_or(|command| command == "none")
    {
        return Ok(None);
    }
    let time = |flag: &str, default: u64| match parsed.last(flag) {
        Some(text) => duration(text).ok_or_else(|| not_implemented(format!("`--{flag} {text}`"))),
        None => Ok(Duration::from_secs(default)),
    };
    let retries = match parsed.last("health-retries") {
        Some(text) => text
            .parse()
            .map_err(|_| not_implemented(format!("`--health-retries {text}`")))?,
        None => 3,
    };
    Ok(Some(HealthCheck {
        interval: time("health-interval", 30)?.max(Duration::from_millis(1)),
        retries,
        start_period: time("health-start-period", 0)?,
    }))
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
