//! What there is: the list of containers, over the socket where it answers, and inspections of those that changed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Call, Podman, PodmanError, Refusal};
use crate::container::socket::{Socket, SocketError, rest};
use crate::container::status::{self, ContainerState, ContainerStatus};

/// What the last look at each container found, by id: its row of the list, and what `inspect` said then. As long as the
/// row is the same (state, process, times, exit code, restarts, health) so is the rest.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<BTreeMap<String, (ContainerStatus, ContainerStatus)>>);

impl Seen {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (ContainerStatus, ContainerStatus)>> {
        // Every change is a single insertion or removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, row: &ContainerStatus) -> Option<ContainerStatus> {
        let seen = self.lock();
        let (last, inspected) = seen.get(&row.id)?;
        (last == row).then(|| inspected.clone())
    }

    pub(super) fn forget(&self, name: &str) {
        self.lock()
            .retain(|id, (row, _)| id != name && row.name != name);
    }

    pub(super) fn forget_all(&self) {
        self.lock().clear();
    }
}

/// A container that podman lists and cannot tell about. No such word is podman's own.
pub(super) const UNREADABLE: &str = "unreadable";

impl Podman {
    /// All containers, in whatever state, that carry `label` (`key` or `key=value`), in podman's order. Only those whose
    /// row in podman's list changed since the last call are inspected.
    ///
    /// A container that is removed between `ps` and `inspect` is left out. One that podman lists and cannot
    /// inspect is given as `ps` has it.
    ///
    /// # Errors
    /// As every command. On podman 4.3 one broken container makes the whole list fail; see [`Podman::look_at`].
    pub async fn list(&self, label: &str) -> Result<Vec<ContainerStatus>, PodmanError> {
        let listed = match self.rows_of_socket(label).await {
            Some(listed) => listed,
            None => self.rows_of_command(label).await?,
        };
        let mut known = BTreeMap::new();
        let mut changed = Vec::new();
        for row in &listed {
            match self.seen.get(row) {
                Some(inspected) => {
                    known.insert(row.id.clone(), inspected);
                }
                None => changed.push(row.clone()),
            }
        }
        {
            let mut seen = self.seen.lock();
            seen.retain(|id, (row, _)| {
                !status::has_label(&row.labels, label) || listed.iter().any(|row| row.id == *id)
            });
        }
        let looked = self.inspect_all(changed).await?;
        let mut by_id: BTreeMap<String, ContainerStatus> = looked
            .into_iter()
            .map(|container| (container.id.clone(), container))
            .collect();
        Ok(listed
            .into_iter()
            .filter_map(|row| known.remove(&row.id).or_else(|| by_id.remove(&row.id)))
            .collect())
    }

    /// Forgets what was seen of a container, so that the next list inspects it.
    pub(crate) fn forget(&self, name: &str) {
        self.seen.forget(name);
    }

    /// Forgets what was seen of all, so that the next list inspects them all.
    pub(crate) fn forget_all(&self) {
        self.seen.forget_all();
    }

    /// The containers of these names, without the list: what can be done where one broken container makes every list
    /// fail (podman 4.3). One that podman cannot tell about has the state [`ContainerState::Unknown`]; one that is not
    /// there is left out.
    ///
    /// # Errors
    /// As every command.
    pub async fn look_at(&self, names: &[&str]) -> Result<Vec<ContainerStatus>, PodmanError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let version = self.known_version().await?;
        let call = Call::new(["container", "inspect"]).operands(names.iter().copied());
        let output = self.run(&call).await?;
        let mut found = if output.stdout.trim_ascii().is_empty() {
            Vec::new()
        } else {
            status::parse_inspect(&output.stdout, version)
                .map_err(|source| call.unreadable("list of containers", source))?
        };
        let complaints = String::from_utf8_lossy(&output.stderr);
        let is_gone = |name: &str| {
            complaints.lines().any(|line| {
                line.contains(name) && Refusal::from_message(line) == Refusal::NoSuchContainer
            })
        };
        let in_doubt: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !found.iter().any(|container| container.name == *name))
            .filter(|name| !is_gone(name))
            .collect();
        for name in in_doubt {
            // The first that podman cannot tell about may have kept it from telling about the others.
            match self.inspect(name).await {
                Ok(container) => found.extend(container),
                Err(PodmanError::Refused { .. }) => found.push(unreadable(name)),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// `None` where the command line is to be used.
    async fn rows_of_socket(&self, label: &str) -> Option<Vec<ContainerStatus>> {
        let body = self.ask_socket(&rest::list(label)).await?;
        match status::parse_ps(&body) {
            Ok(listed) => Some(listed),
            Err(error) => {
                tracing::warn!(
                    error = crate::chain::chain(&error),
                    "the list from podman's socket cannot be read"
                );
                None
            }
        }
    }

    async fn rows_of_command(&self, label: &str) -> Result<Vec<ContainerStatus>, PodmanError> {
        let ps = Call::new(["ps", "--all", "--format=json"]).arg(format!("--filter=label={label}"));
        let output = self.succeed(&ps).await?;
        status::parse_ps(&output.stdout)
            .map_err(|source| ps.unreadable("list of containers", source))
    }

    /// Inspects these containers and remembers what was seen. Those that are gone are left out.
    async fn inspect_all(
        &self,
        rows: Vec<ContainerStatus>,
    ) -> Result<Vec<ContainerStatus>, PodmanError> {
        let version = self.known_version().await?;
        let mut looked = Vec::new();
        let mut for_command = Vec::new();
        for row in rows {
            match self.inspect_by_socket(&row.id).await {
                Inspected::Found(body) => match status::parse_inspect(&body, version) {
                    Ok(found) => looked.extend(found.into_iter().map(|found| (row.clone(), found))),
                    Err(_) => for_command.push(row),
                },
                Inspected::Gone => {}
                Inspected::NotAnswered => for_command.push(row),
            }
        }
        let mut rest = Vec::new();
        if !for_command.is_empty() {
            let call = Call::new(["container", "inspect"])
                .operands(for_command.iter().map(|row| row.id.as_str()));
            let output = self.run(&call).await?;
            let inspected = status::parse_inspect(&output.stdout, version)
                .map_err(|source| call.unreadable("list of containers", source))?;
            let rows: BTreeMap<String, ContainerStatus> = for_command
                .iter()
                .map(|row| (row.id.clone(), row.clone()))
                .collect();
            for container in inspected.iter().cloned() {
                if let Some(row) = rows.get(&container.id) {
                    looked.push((row.clone(), container));
                }
            }
            // What could not be inspected is as the list has it, and is tried again next time.
            let done: Vec<_> = inspected
                .iter()
                .map(|container| container.id.clone())
                .collect();
            let left: Vec<_> = for_command
                .into_iter()
                .filter(|row| !done.contains(&row.id))
                .collect();
            rest = status::merge(left, Vec::new(), &output.stderr);
        }
        let mut seen = self.seen.lock();
        for (row, container) in looked {
            seen.insert(row.id.clone(), (row, container.clone()));
            rest.push(container);
        }
        Ok(rest)
    }

    async fn inspect_by_socket(&self, id: &str) -> Inspected {
        let Some(socket) = &self.socket else {
            return Inspected::NotAnswered;
        };
        let result = socket.get(&rest::inspect(id)).await;
        socket.note(&result);
        match result {
            Ok(body) => Inspected::Found([b"[", body.trim_ascii(), b"]"].concat()),
            Err(SocketError::Refused { status: 404, .. }) => Inspected::Gone,
            Err(_) => Inspected::NotAnswered,
        }
    }

    /// The body of a good answer; `None` where the command line is to be asked instead: also of a refusal, because its
    /// words say best why.
    async fn ask_socket(&self, path: &str) -> Option<Vec<u8>> {
        let socket: &Socket = self.socket.as_deref()?;
        let result = socket.get(path).await;
        socket.note(&result);
        result.ok()
    }
}

enum Inspected {
    /// A list with its one entry.
    Found(Vec<u8>),
    Gone,
    NotAnswered,
}

fn unreadable(name: &str) -> ContainerStatus {
    ContainerStatus {
        id: String::new(),
        name: name.to_owned(),
        image: String::new(),
        state: ContainerState::Unknown(UNREADABLE.to_owned()),
        pid: 0,
        exit_code: 0,
        oom_killed: None,
        error: None,
        created_at: chrono::DateTime::UNIX_EPOCH,
        started_at: None,
        finished_at: None,
        health: None,
        restart_count: 0,
        labels: BTreeMap::new(),
    }
}
