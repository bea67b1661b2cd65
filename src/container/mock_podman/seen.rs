//! [`MockContainer`]: a container as tests see it, and as they put it there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::MockPodman;
use super::app::{App, is_fixture};
use super::container::Container;
use super::reference::full as full_reference;
use super::state::State;
use crate::container::status::ContainerState;

/// What there is to see of a container; also one that a test puts there with [`MockPodman::add_container`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockContainer {
    /// Its name.
    pub name: String,
    /// Its image reference.
    pub image: String,
    /// Its state.
    pub state: ContainerState,
    /// Its exit code; 0 before the first end.
    pub exit_code: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What its program is given.
    pub command: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl MockContainer {
    /// A container that was made at the beginning of 1970 and never started, without labels, command and policy.
    pub fn new(name: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: full_reference(image),
            state: ContainerState::Created,
            exit_code: 0,
            created_at: DateTime::UNIX_EPOCH,
            command: Vec::new(),
            labels: BTreeMap::new(),
        }
    }

    /// In another state.
    #[must_use]
    pub fn with_state(mut self, state: ContainerState) -> Self {
        self.state = state;
        self
    }

    /// With another exit code.
    #[must_use]
    pub fn with_exit_code(mut self, exit_code: i32) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// Made at another time.
    #[must_use]
    pub fn with_created_at(mut self, created_at: DateTime<Utc>) -> Self {
        self.created_at = created_at;
        self
    }

    /// With a command, words separated by single spaces.
    #[must_use]
    pub fn with_command(mut self, command: &str) -> Self {
        self.command = command.split(' ').map(str::to_owned).collect();
        self
    }

    /// With one more label.
    #[must_use]
    pub fn with_label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }
}

impl From<&Container> for MockContainer {
    fn from(container: &Container) -> Self {
        Self {
            name: container.name.clone(),
            image: container.image.clone(),
            state: container.state.clone(),
            exit_code: container.exit_code,
            created_at: container.created_at,
            command: container.command.clone(),
            labels: container.labels.clone(),
        }
    }
}

impl MockPodman {
    /// All containers, in the order of their creation.
    pub fn containers(&self) -> Vec<MockContainer> {
        self.with(|state, _| state.containers.iter().map(MockContainer::from).collect())
    }

    /// Puts a container there, as if it had been made at its `created_at` and had come into its state since: one that was
    /// started was so when it was made, one that ended has ended just now. Its image need not be there.
    pub fn add_container(&self, seen: MockContainer) {
        self.add_containers([seen]);
    }

    /// As [`add_container`](Self::add_container), many at once.
    pub fn add_containers(&self, many: impl IntoIterator<Item = MockContainer>) {
        self.with(|state, now| {
            for seen in many {
                state.put(seen, now);
            }
        });
    }
}

impl State {
    fn put(&mut self, seen: MockContainer, now: DateTime<Utc>) {
        let id = self.new_id();
        let image_id = self.images.get(&seen.image).cloned().unwrap_or_default();
        let pid = self.new_pid();
        let mut container = Container {
            image_id,
            app: App::of(&seen.image, None, &seen.command),
            holds_fixture: is_fixture(&seen.image),
            image: seen.image,
            command: seen.command,
            labels: seen.labels,
            ..Container::bare(id, seen.name, seen.created_at)
        };
        match &seen.state {
            ContainerState::Created | ContainerState::Initialized => {}
            ContainerState::Stopped | ContainerState::Exited | ContainerState::Removing => {
                container.begin(seen.created_at, pid);
                container.end(now, seen.exit_code, false);
                container.events.clear();
            }
            ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Stopping
            | ContainerState::Unknown(_) => container.begin(seen.created_at, pid),
        }
        container.state = seen.state;
        // That is past.
        container.news.clear();
        self.containers.push(container);
    }
}
