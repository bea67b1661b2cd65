//! `create` and `run`.

use chrono::{DateTime, Utc};

use super::args::{Flag, Order, Parsed, option, switch};
use super::container::{Container, DEFAULT_STOP_TIMEOUT, News};
use super::given::Given;
use super::images::holds_fixture;
use super::options::{self, Options};
use super::profile::Profile;
use super::pull::{self, Pulled};
use super::reply::{Answer, Refused, Reply, not_implemented, refuse};
use super::start::{attach, start_attached, start_one};
use super::state::{State, is_name, pairs};
use super::{MockPodman, mounts, read, remove, values};

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
    option("health-on-failure", None),
    option("workdir", Some('w')),
    option("ip", None),
    option("cidfile", None),
    switch("no-healthcheck", None),
    switch("replace", None),
    switch("init", None),
    switch("rm", None),
    switch("detach", Some('d')),
];

/// `podman create`; `asked` is the command line as it was given.
pub(super) async fn create(mock: &MockPodman, args: &[&str], asked: &[&str]) -> Answer {
    let (id, said) = make(mock, ("create", args), asked).await?;
    Ok(Reply {
        stdout: format!("{}{id}\n", said.stdout),
        ..said
    })
}

/// `podman run`; `asked` is the command line as it was given.
pub(super) async fn run(mock: &MockPodman, args: &[&str], asked: &[&str]) -> Answer {
    let parsed = read("run", args, FLAGS, Order::FlagsFirst)?;
    let (id, said) = make(mock, ("run", args), asked).await?;
    let detaches = parsed.has("detach");
    let started = mock.with(|state, now| {
        if detaches {
            start_one(state, now, &id)
        } else {
            start_attached(state, now, &id)
        }
    });
    if let Err(failed) = started {
        if parsed.has("rm") {
            mock.with(|state, _| {
                if let Some(index) = state.index(&id) {
                    state.drop_container(index, true);
                }
            });
        }
        return Err(refuse(failed.run_code, failed.text));
    }
    if detaches {
        return Ok(Reply {
            stdout: format!("{}{id}\n", said.stdout),
            ..said
        });
    }
    let attached = attach(mock, &id).await?;
    Ok(Reply {
        stdout: said.stdout + &attached.stdout,
        stderr: said.stderr + &attached.stderr,
        ..attached
    })
}

/// Makes a container; returns its id, and what a replaced one left to say.
async fn make(
    mock: &MockPodman,
    (command, args): (&str, &[&str]),
    asked: &[&str],
) -> Result<(String, Reply), Refused> {
    let parsed = read(command, args, FLAGS, Order::FlagsFirst)?;
    let Some((image, words)) = parsed.operands.split_first() else {
        return Err(refuse(125, "requires at least 1 arg(s), only received 0"));
    };
    let profile = mock.with(|state, _| Profile::of(state.version));
    check_network(&parsed)?;
    let (pulled, lines) = pull::for_container(mock, image, parsed.last("pull")).await?;
    if parsed.has("replace") && parsed.last("name").is_none() {
        return Err(refuse(
            125,
            "cannot replace container without --name being set",
        ));
    }
    let mut said = Reply::silent();
    if let Some(name) = parsed.last("name").filter(|_| parsed.has("replace")) {
        let removed = remove::rm(mock, &["--force", "--ignore", "--", name]).await?;
        said.stderr = removed.stderr;
        if profile.names_what_it_replaces() {
            said.stdout = removed.stdout;
        }
    }
    said.stderr.insert_str(0, &lines);
    let mut line = vec!["podman"];
    line.extend(asked);
    let id = mock.with(|state, now| add(state, now, &parsed, &pulled, words, &line))?;
    if let Some(file) = parsed.last("cidfile")
        && profile.spares_id_files()
        && std::path::Path::new(file).exists()
    {
        // The container is there all the same.
        return Err(refuse(
            125,
            format!(
                "container id file exists. Ensure another container is not using it or delete {file}"
            ),
        ));
    }
    if let Some(file) = parsed.last("cidfile") {
        std::fs::write(file, &id)
            .map_err(|error| not_implemented(format!("`--cidfile {file}`: {error}")))?;
    }
    Ok((id, said))
}

/// What podman looks at before it looks for the image.
fn check_network(parsed: &Parsed) -> Result<(), Refused> {
    for text in parsed.all("publish") {
        values::port(text)?;
    }
    let network = parsed.last("network").unwrap_or_default();
    if parsed.last("ip").is_some() && matches!(network, "host" | "none") {
        return Err(refuse(
            125,
            "--ip can only be set when the network mode is bridge: invalid argument",
        ));
    }
    Ok(())
}

/// The name of a new container: the given one, or one that podman makes up.
fn name_for(parsed: &Parsed, id: &str) -> Result<String, Refused> {
    match parsed.last("name") {
        Some(name) if is_name(name) => Ok(name.to_owned()),
        Some("") | None => Ok(values::invented_name(id)),
        Some(_) => Err(refuse(
            125,
            "running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
        )),
    }
}

fn refuse_taken_name(state: &State, name: &str) -> Result<(), Refused> {
    let Some(owner) = state.containers.iter().find(|other| other.name == name) else {
        return Ok(());
    };
    let hint = if state.is_4() {
        ""
    } else {
        ", or use --replace to instruct Podman to do so."
    };
    Err(refuse(
        125,
        format!(
            "creating container storage: the container name \"{name}\" is already in use by {}. You have to remove that container to be able to reuse that name: that name is already in use{hint}",
            owner.id
        ),
    ))
}

fn add(
    state: &mut State,
    now: DateTime<Utc>,
    parsed: &Parsed,
    image: &Pulled,
    words: &[String],
    line: &[&str],
) -> Result<String, Refused> {
    let profile = Profile::of(state.version);
    // What can be told from the command line alone, then what is there, each in podman's order.
    parsed.all("volume").try_for_each(mounts::check_mount)?;
    let size = |flag: &str, prefix: &str| match parsed.last(flag) {
        Some(text) => values::bytes(
            text,
            profile.tells_bad_suffixes_of_memory() && flag == "memory",
        )
        .map(Some)
        .map_err(|error| refuse(125, format!("{prefix}{error}"))),
        None => Ok(None),
    };
    let memory = size("memory", "invalid value for memory: ")?;
    let shm_size = size("shm-size", "unable to translate --shm-size: ")?;
    let stop_signal = match parsed.last("stop-signal") {
        Some(text) => Some(
            options::signal_number(text)
                .ok_or_else(|| refuse(125, format!("invalid signal: {text}")))?,
        ),
        None => None,
    };
    let health = values::health_check(parsed)?;
    let stop_timeout = parsed
        .last("stop-timeout")
        .map_or(Ok(DEFAULT_STOP_TIMEOUT), str::parse)
        .map_err(|_| {
            not_implemented(format!(
                "`--stop-timeout {:?}`",
                parsed.last("stop-timeout")
            ))
        })?;
    let ports = parsed
        .all("publish")
        .map(values::port)
        .collect::<Result<Vec<_>, _>>()?;
    let labels = pairs("label", parsed.all("label"))?;
    let env = values::variables(parsed.all("env"), profile)?;
    let given = Given::of(state, parsed.all("secret"))?;
    parsed.all("volume").try_for_each(mounts::check_source)?;
    let restart = values::restart_policy(parsed.last("restart"))?;
    let id = state.new_id();
    let name = name_for(parsed, &id)?;
    let network = parsed.last("network").unwrap_or("podman").to_owned();
    if !state.networks.contains_key(&network) && !matches!(network.as_str(), "host" | "none") {
        return Err(refuse(
            125,
            format!("unable to find network with name or ID {network}: network not found"),
        ));
    }
    refuse_taken_name(state, &name)?;
    // Last, for it makes volumes: a refused create leaves none.
    let mounts = parsed
        .all("volume")
        .map(|text| mounts::mount(state, now, text))
        .collect::<Result<Vec<_>, _>>()?;
    let text = |flag: &str| parsed.last(flag).map(str::to_owned);
    let options = Options {
        create_command: line.iter().map(|&word| word.to_owned()).collect(),
        user: text("user").unwrap_or_default(),
        workdir: text("workdir"),
        stop_signal,
        shm_size,
        aliases: parsed.all("network-alias").map(str::to_owned).collect(),
        ip: text("ip"),
        cid_file: text("cidfile").unwrap_or_default(),
        health: health.shown,
        health_on_failure: text("health-on-failure"),
        names_policy: parsed.last("restart").is_some(),
        secrets: given.shown,
    };
    let entrypoint = text("entrypoint");
    let holds_fixture = holds_fixture(state, &image.id, &image.name);
    let program = (entrypoint.as_deref(), words);
    let app = state.app_of(&name, &image.name, holds_fixture, program);
    state.containers.push(Container {
        image_id: image.id.clone(),
        holds_fixture,
        app,
        image: image.name.clone(),
        entrypoint,
        command: words.to_vec(),
        labels,
        env,
        ports,
        mounts,
        network,
        restart,
        stop_timeout,
        init: parsed.has("init"),
        auto_remove: parsed.has("rm"),
        memory,
        check: health.check,
        options,
        secret_env: given.env,
        secret_files: given.files,
        news: vec![News {
            status: "create".into(),
            exit_code: None,
            health: None,
        }],
        ..Container::bare(id.clone(), name, now)
    });
    Ok(id)
}
