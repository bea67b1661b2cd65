//! What one podman does otherwise than another, by the name of what it does.

use super::profile::Profile;

impl Profile {
    /// `resolv.conf` and such are written before an unknown user is found out.
    pub(super) fn writes_files_before_it_looks_for_the_user(&self) -> bool {
        let version = self.version();
        (version.major, version.minor) >= (5, 8)
    }

    /// `inspect` shows what is in secrets that are variables; else their names and stars.
    pub(super) fn shows_secrets(&self) -> bool {
        self.version().major < 5
    }

    /// A container that ends by a `kill` is not restarted by its policy, whatever the signal.
    pub(super) fn takes_every_kill_for_a_stop(&self) -> bool {
        self.version().major >= 5
    }

    /// `exec` without a program is refused before anything else, with 125.
    pub(super) fn asks_for_a_program_first(&self) -> bool {
        self.version().major >= 5
    }

    /// A session of `exec` whose program could not be started stays in `inspect`.
    pub(super) fn keeps_sessions_that_did_not_start(&self) -> bool {
        self.version().major < 5
    }

    /// `volume ls` prints its head where there is no volume.
    pub(super) fn heads_empty_volume_tables(&self) -> bool {
        let version = self.version();
        (version.major, version.minor) >= (5, 8)
    }

    /// `inspect` tells of an OOM kill, of the last error, and of a stop by the user.
    pub(super) fn says_why_it_ended(&self) -> bool {
        self.version().major >= 5
    }

    /// `inspect` shows the networks `host` and `none` as if they were networks.
    pub(super) fn shows_networks_that_are_none(&self) -> bool {
        self.version().major >= 5
    }

    /// `inspect` gives a container's networks with their ids; else with their names in the ids' place.
    pub(super) fn names_networks_by_id(&self) -> bool {
        self.version().major >= 5
    }

    /// How `inspect` shows a port that is published on all addresses.
    pub(super) fn any_address(&self) -> &'static str {
        if self.version().major >= 5 {
            "0.0.0.0"
        } else {
            ""
        }
    }

    /// `inspect` has the ports of the container in its configuration as well.
    pub(super) fn shows_exposed_ports(&self) -> bool {
        self.version().major >= 5
    }

    /// A start adds `HOME` to the variables.
    pub(super) fn sets_home(&self) -> bool {
        self.version().major >= 5
    }

    /// A start adds annotations for systemd; else one with the time when the container was made.
    pub(super) fn notes_properties_for_systemd(&self) -> bool {
        self.version().major >= 5
    }

    /// A container whose port is taken is not prepared at all; else all of it is before the port is tried.
    pub(super) fn tries_ports_first(&self) -> bool {
        self.version().major >= 5
    }
}

impl Profile {
    /// `ps --format '{{json .}}'` is `--format json`; else the JSON of each row.
    pub(super) fn takes_json_of_a_row_for_json(&self) -> bool {
        self.version().major < 5
    }

    /// `ps` says `Up 3 seconds ago`; else `Up 3 seconds`.
    pub(super) fn says_up_ago(&self) -> bool {
        self.version().major < 5
    }

    /// `ps --format '{{.State}}'` gives the same as `{{.Status}}`; else the state's word.
    pub(super) fn shows_the_status_as_state(&self) -> bool {
        self.version().major < 5
    }

    /// `ps --format` knows `{{.Label "key"}}`.
    pub(super) fn has_labels_one_by_one(&self) -> bool {
        self.version().major >= 5
    }
}

impl Profile {
    /// `create --replace` prints the name of what it removed before the id of what it made.
    pub(super) fn names_what_it_replaces(&self) -> bool {
        self.version().major < 5
    }

    /// `create --cidfile` refuses a file that is there; else it is overwritten.
    pub(super) fn spares_id_files(&self) -> bool {
        self.version().major < 5
    }

    /// `--memory 12zz` is told of its suffix; else of the whole.
    pub(super) fn tells_bad_suffixes_of_memory(&self) -> bool {
        (self.version().major, self.version().minor) >= (5, 8)
    }

    /// What a bad `--env` is called.
    pub(super) fn word_for_a_variable(&self) -> &'static str {
        if self.version().major >= 5 {
            "variable"
        } else {
            "environment variable"
        }
    }
}

impl Profile {
    /// `start` prints the name of a container that runs already.
    pub(super) fn prints_the_name_of_a_running_one(&self) -> bool {
        self.version().major >= 5
    }

    /// The end of a pause makes a container's health `reset`, until the next check.
    pub(super) fn resets_health_after_a_pause(&self) -> bool {
        (self.version().major, self.version().minor) >= (5, 8)
    }

    /// What a health check wrote is kept with its last newline.
    pub(super) fn ends_what_health_checks_wrote(&self) -> bool {
        self.version().major >= 5
    }

    /// The runtime says `in $PATH` of a program that is given by its path as well.
    pub(super) fn looks_for_every_program(&self) -> bool {
        self.version().major < 5
    }

    /// The runtime's words for a program that is a folder.
    pub(super) fn text_of_a_folder_as_program(&self, program: &str) -> String {
        if self.version().major >= 5 {
            format!(
                "the path `{program}` is not a regular file: Operation not permitted: OCI permission denied"
            )
        } else {
            "open executable: Operation not permitted: OCI permission denied".to_owned()
        }
    }

    /// The runtime's words for a program that nobody may execute.
    pub(super) fn text_of_a_program_without_permission(&self, program: &str) -> String {
        if self.version().major >= 5 {
            format!(
                "the path `{program}` exists but it is not executable: Operation not permitted: OCI permission denied"
            )
        } else {
            "open executable: Permission denied: OCI permission denied".to_owned()
        }
    }

    /// Why a container cannot have a new name.
    pub(super) fn text_of_a_new_name_in_use(&self, name: &str, id: &str) -> String {
        if self.version().major >= 5 {
            format!(
                "updating container config table with new configuration for container {id}: UNIQUE constraint failed: ContainerConfig.Name"
            )
        } else {
            format!(
                "name {name} already in use, cannot rename container {id}: container already exists"
            )
        }
    }

    /// `inspect` has `rw` among a mount's options; else only `ro`.
    pub(super) fn says_that_mounts_are_writable(&self) -> bool {
        (self.version().major, self.version().minor) < (5, 8)
    }
}

impl Profile {
    /// A stop of a container without a monitor says that it has worked, and leaves it `stopping`.
    pub(super) fn leaves_one_without_monitor_stopping(&self) -> bool {
        self.version().major < 5
    }

    /// Why the exit code of a container without a monitor is not known.
    pub(super) fn text_of_a_lost_monitor(&self, id: &str) -> String {
        let why = if (self.version().major, self.version().minor) >= (5, 8) {
            "conmon process killed"
        } else {
            "internal libpod error"
        };
        format!("container {id} conmon exited prematurely, exit code could not be retrieved: {why}")
    }

    /// How often a forced removal of a container whose process and monitor are gone is refused.
    pub(super) fn refusals_of_a_lost_one(&self) -> u32 {
        let version = self.version();
        u32::from(
            (5, 0) <= (version.major, version.minor) && (version.major, version.minor) < (5, 8),
        )
    }

    /// What `kill` says of a process that is long gone: the runtime's line, and podman's error.
    pub(super) fn texts_of_a_process_that_is_gone(&self, id: &str) -> (&'static str, String) {
        let improper = format!("sending signal to container {id}: container state improper");
        match (self.version().major, self.version().minor) {
            (..5, _) => (
                "open pidfd: No such process",
                "container state improper: stopped".to_owned(),
            ),
            (5, ..8) => ("container not running: No such process", improper),
            (5.., _) => ("process not running: No such process", improper),
        }
    }

    /// What `kill` says of a container that does not end, as a paused one does not.
    pub(super) fn text_of_no_exit_file(&self, id: &str) -> String {
        let tail = if self.version().major < 5 {
            ": internal libpod error"
        } else {
            ""
        };
        format!("timed out waiting for file /run/libpod/exits/{id}{tail}")
    }

    /// A forced removal of a `stopping` container says nothing of its death, and a stop that is under way does not notice:
    /// it waits for its whole grace.
    pub(super) fn removes_stopping_ones_silently(&self) -> bool {
        self.version().major < 5
    }

    /// Of a container whose network namespace is gone though `/run` is there podman can tell nothing.
    pub(super) fn cannot_join_lost_networks(&self) -> bool {
        self.version().major < 5
    }

    /// After a boot `inspect` does not say any more that a user had stopped a container.
    pub(super) fn forgets_at_boot_who_stopped_it(&self) -> bool {
        (self.version().major, self.version().minor) < (5, 8)
    }
}
