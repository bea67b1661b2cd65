//! The keeper: a process that outlives its owners and removes what they leave.
//!
//! It looks a few times a second, which is cheaper than it sounds (one `/proc` file per owner) and cannot miss a death.
//! When neither an owner lives nor a kept lab stands it waits [`LINGER`], so that the next test of a run finds engine
//! and keeper in place, then stops the engine if it was ours, removes its directory and ends.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use super::owner::{KEPT, LABEL_LAB, LABEL_OWNER, LABEL_SESSION, LABEL_STARTER, Owner};
use super::record::{FirstWord, KeeperRecord, ServiceRecord};
use super::state_dir::StateDir;
use crate::engine::needs::Needs;
use crate::engine::service::Service;
use crate::engine::{self, Found, Wishes};
use crate::host::Files;

/// How long engine and keeper stay when nobody needs them.
pub const LINGER: Duration = Duration::from_secs(2);
/// How often the keeper looks.
const LOOK: Duration = Duration::from_millis(100);
/// How often it asks the engine for kept labs.
const ASK: Duration = Duration::from_secs(2);

/// Runs the keeper to its end; returns its exit code.
pub(super) fn main(dir: StateDir) -> i32 {
    // Apart from whoever started it: a signal to their group or the end of their terminal does not reach us.
    if let Err(errno) = rustix::process::setsid() {
        eprintln!("keeper: setsid: {errno}");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("keeper: no runtime: {error}");
            return 1;
        }
    };
    runtime.block_on(keep(dir))
}

async fn keep(dir: StateDir) -> i32 {
    let mut keeper = match Keeper::start(dir.clone()).await {
        Ok(keeper) => keeper,
        Err(why) => {
            say(&FirstWord::Failed(why));
            // Whoever started us holds the lock, so nobody else can have joined.
            if let Err(error) = dir.remove() {
                eprintln!("keeper: {error}");
            }
            return 1;
        }
    };
    say(&FirstWord::Ready(keeper.record.clone()));
    keeper.watch().await;
    0
}

/// Says the first word and closes the stream: whoever started the keeper must not wait for its end.
fn say(word: &FirstWord) {
    let mut out = std::io::stdout();
    let said = serde_json::to_writer(&mut out, word)
        .map_err(std::io::Error::from)
        .and_then(|()| writeln!(out))
        .and_then(|()| out.flush())
        .and_then(|()| {
            let null = std::fs::File::options().write(true).open("/dev/null")?;
            Ok(rustix::stdio::dup2_stdout(null)?)
        });
    if let Err(error) = said {
        eprintln!("keeper: cannot answer: {error}");
    }
}

struct Keeper {
    dir: StateDir,
    record: KeeperRecord,
    docker: Docker,
    service: Option<Service>,
    /// Kept labs that have been ready: they stay whatever becomes of who started them.
    were_ready: HashSet<String>,
}

impl Keeper {
    async fn start(dir: StateDir) -> Result<Self, String> {
        let explain = |error: &dyn std::error::Error| crate::chain(error);
        let found = engine::find(&Wishes::from_env())
            .await
            .map_err(|error| explain(&error))?;
        let (endpoint, service) = match found {
            Found::Answers(endpoint) => (endpoint, None),
            Found::StartPodman(_) => {
                // There only if a keeper died before its time.
                let before = dir
                    .keeper()
                    .map_err(|error| explain(&error))?
                    .and_then(|record| record.service);
                let service = match &before {
                    Some(before) => Service::adopt(&before.process, dir.path()).await,
                    None => None,
                };
                let service = match service {
                    Some(service) => service,
                    None => {
                        let needs =
                            Needs::of_this_host(&Files::host()).map_err(|error| explain(&error))?;
                        Service::start(&needs, dir.path())
                            .await
                            .map_err(|error| explain(&error))?
                    }
                };
                (service.endpoint.clone(), Some(service))
            }
        };
        let record = KeeperRecord {
            keeper: Owner::current().map_err(|error| explain(&error))?,
            endpoint: endpoint.clone(),
            service: service.as_ref().map(|service| ServiceRecord {
                process: service.process.clone(),
            }),
        };
        dir.write_keeper(&record).map_err(|error| explain(&error))?;
        let docker = engine::connect(&endpoint).map_err(|error| explain(&error))?;
        let mut keeper = Self {
            dir,
            record,
            docker,
            service,
            were_ready: HashSet::new(),
        };
        keeper.sweep().await;
        Ok(keeper)
    }

    async fn watch(&mut self) {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        let mut idle_since: Option<Instant> = None;
        let mut kept_asked: Option<Instant> = None;
        let mut kept = false;
        loop {
            let asked_to_end = async {
                match &mut terminate {
                    Ok(stream) => {
                        stream.recv().await;
                    }
                    Err(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = asked_to_end => {
                    self.sweep().await;
                    self.end();
                    return;
                }
            }
            if self.bury_the_dead().await {
                idle_since = None;
                continue;
            }
            if kept_asked.is_none_or(|at| at.elapsed() > ASK) {
                kept = self.has_kept_labs().await;
                kept_asked = Some(Instant::now());
            }
            if kept {
                idle_since = None;
                continue;
            }
            if idle_since.is_none() && !self.end_steps() {
                continue;
            }
            if idle_since.get_or_insert_with(Instant::now).elapsed() < LINGER {
                continue;
            }
            // Under the lock nobody can join, and whoever joined before is on the list.
            match self.dir.try_lock() {
                Ok(Some(_lock)) if !self.anybody_alive() && !self.has_kept_labs().await => {
                    // Once more: a request that its sender did not live to see answered may have been served late.
                    self.sweep().await;
                    self.end();
                    return;
                }
                Ok(_) => idle_since = None,
                Err(error) => eprintln!("keeper: {error}"),
            }
        }
    }

    /// Ends what a service of ours runs, where nobody is left to want it; podman tidies up while we linger. False if somebody
    /// came meanwhile: under the lock nobody can, and without it the network of a lab that is just being started would be
    /// ended half-way.
    fn end_steps(&self) -> bool {
        let Some(service) = &self.service else {
            return true;
        };
        match self.dir.try_lock() {
            Ok(Some(_lock)) if !self.anybody_alive() => {
                service.end_steps();
                true
            }
            Ok(_) => false,
            Err(error) => {
                eprintln!("keeper: {error}");
                false
            }
        }
    }

    fn owners(&self) -> Vec<Owner> {
        self.dir.owners().unwrap_or_else(|error| {
            eprintln!("keeper: {error}");
            Vec::new()
        })
    }

    fn anybody_alive(&self) -> bool {
        self.owners().iter().any(Owner::is_alive)
    }

    /// Removes what dead owners left, then the owners from the list. Whether somebody lives.
    async fn bury_the_dead(&mut self) -> bool {
        let (alive, dead): (Vec<_>, Vec<_>) = self.owners().into_iter().partition(Owner::is_alive);
        if !dead.is_empty() && self.sweep().await {
            for owner in &dead {
                if let Err(error) = super::remove_scratch(owner) {
                    eprintln!("keeper: scratch folder of {owner}: {error}");
                }
                if let Err(error) = self.dir.remove_owner(owner) {
                    eprintln!("keeper: {error}");
                }
            }
        }
        !alive.is_empty()
    }

    /// Removes every container whose owner is dead. Whether all is gone.
    async fn sweep(&mut self) -> bool {
        match self.orphans().await {
            Ok(orphans) => {
                let mut gone = true;
                for id in orphans {
                    if let Err(error) = remove(&self.docker, &id).await {
                        eprintln!("keeper: cannot remove {id}: {error}");
                        gone = false;
                    }
                }
                gone
            }
            Err(error) => {
                eprintln!("keeper: cannot list: {error}");
                false
            }
        }
    }

    /// Ids of the containers whose owner is dead, and of labs to be kept whose starter died before they were ready.
    async fn orphans(&mut self) -> Result<Vec<String>, bollard::errors::Error> {
        let mut orphans = Vec::new();
        for container in ours(&self.docker).await? {
            // Another keeper's, unless that whole session is gone, as after a reboot.
            let here = label(&container, LABEL_SESSION)
                .is_none_or(|dir| self.is_here(dir) || !Path::new(dir).exists());
            let orphaned = match owner_label(&container) {
                _ if !here => false,
                Some(KEPT) => match label(&container, LABEL_STARTER) {
                    Some(starter) if is_dead(starter) => !self.was_ready(&container).await,
                    _ => false,
                },
                Some(owner) => is_dead(owner),
                None => false,
            };
            if orphaned {
                orphans.extend(container.id);
            }
        }
        Ok(orphans)
    }

    fn is_here(&self, dir: &str) -> bool {
        self.dir.path() == Path::new(dir)
    }

    /// Whether a lab has ever said that it is ready.
    async fn was_ready(&mut self, container: &ContainerSummary) -> bool {
        let Some(id) = &container.id else { return true };
        if self.were_ready.contains(id) {
            return true;
        }
        match crate::lab::has_been_ready(&self.docker, id).await {
            Ok(false) => false,
            Ok(true) => {
                self.were_ready.insert(id.clone());
                true
            }
            // When in doubt, it stays.
            Err(error) => {
                eprintln!("keeper: cannot read the log of {id}: {error}");
                true
            }
        }
    }

    async fn has_kept_labs(&self) -> bool {
        match ours(&self.docker).await {
            Ok(all) => all.iter().any(|container| {
                owner_label(container) == Some(KEPT)
                    && label(container, LABEL_SESSION).is_none_or(|dir| self.is_here(dir))
            }),
            // When in doubt, stay.
            Err(error) => {
                eprintln!("keeper: cannot list: {error}");
                true
            }
        }
    }

    fn end(&mut self) {
        if let Some(service) = &mut self.service {
            service.stop();
        }
        if let Err(error) = self.dir.remove() {
            eprintln!("keeper: {error}");
        }
    }
}

fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(name).map(String::as_str)
}

fn owner_label(container: &ContainerSummary) -> Option<&str> {
    label(container, LABEL_OWNER)
}

/// Whether the process that a label names is gone. A label that does not parse names no living process.
fn is_dead(owner: &str) -> bool {
    !owner.parse::<Owner>().is_ok_and(|owner| owner.is_alive())
}

/// podman shows a container as `stopped` for a moment after its end, a state that bollard cannot parse: one such container
/// spoils the list of all. So it is asked for again, so many times.
const LOOKS: u32 = 40;
/// See [`LOOKS`].
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Every container of ours, running or not.
pub async fn ours(docker: &Docker) -> Result<Vec<ContainerSummary>, bollard::errors::Error> {
    let filters = HashMap::from([("label", vec![LABEL_LAB])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let mut looks = 1;
    loop {
        match docker.list_containers(Some(options.clone())).await {
            Err(bollard::errors::Error::JsonDataError { .. }) if looks < LOOKS => {
                looks += 1;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

/// Removes a container with its anonymous volumes, running or not; one that is gone already is fine.
pub async fn remove(docker: &Docker, id: &str) -> Result<(), bollard::errors::Error> {
    // Killed first: `rm --force` asks systemd to shut down in order and waits for it.
    let _already_down = docker
        .kill_container(id, None::<bollard::query_parameters::KillContainerOptions>)
        .await;
    let options = RemoveContainerOptionsBuilder::default()
        .force(true)
        .v(true)
        .build();
    match docker.remove_container(id, Some(options)).await {
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(()),
        other => other,
    }
}
