//! Describing and starting a stand-in.

use std::path::PathBuf;
use std::time::Duration;

use super::keys::Keys;
use super::toolchain::Toolchain;
use super::{Folder, SSH_PORT, Settings, StandIn, StandInError, io, program, toolchain};
use crate::image::inputs::source_root;
use crate::image::{Base, Flavour};
use crate::lab::Lab;
use crate::session;

/// What is done to a lab that has just booted to make a node of it: a user who may become root, and a key of this one's.
const SET_UP: &str = r#"
user=$1 key=$2
id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
home=$(getent passwd "$user" | cut -d: -f6)
install -d -m 0700 -o "$user" -g "$user" "$home/.ssh"
printf '%s\n' "$key" >"$home/.ssh/authorized_keys"
chown "$user:$user" "$home/.ssh/authorized_keys"
chmod 0600 "$home/.ssh/authorized_keys"
printf 'Defaults env_file=/etc/environment\n%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$user" >/etc/sudoers.d/"$user"
chmod 0440 /etc/sudoers.d/"$user"
"#;

/// A stand-in to be started. The defaults give the name `node` and Debian 13, as the real one has.
#[derive(Debug, Clone, Default)]
pub struct StandInBuilder {
    name: Option<String>,
    base: Option<Base>,
    program: Option<PathBuf>,
    deadline: Option<Duration>,
    no_toolchain: bool,
    kept: bool,
}

impl StandInBuilder {
    /// A name for people; its host name as well.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The base; Debian 13 if not called.
    #[must_use]
    pub fn base(mut self, base: Base) -> Self {
        self.base = Some(base);
        self
    }

    /// A static program that is there already, to be put on the node; if not called it is built.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// How long it may take to answer once it runs; as long as a lab may take to be ready, if not called.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Shows it no Rust toolchain: nothing can be built on it then.
    #[must_use]
    pub fn without_toolchain(mut self) -> Self {
        self.no_toolchain = true;
        self
    }

    /// Keeps it when this process ends, until `lab node-down`.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Starts it and waits until ssh and the service answer.
    ///
    /// # Errors
    /// No image, a program that cannot be built, a lab that does not start, a node that does not answer. Nothing is left.
    pub async fn start(self) -> Result<StandIn, StandInError> {
        let settings = Settings::read()?;
        let session = session::join().map_err(crate::LabError::from)?;
        let toolchain = match self.no_toolchain {
            true => None,
            false if session.endpoint.is_local() => Some(Toolchain::find().await?),
            false => {
                return Err(StandInError::RemoteEngine {
                    endpoint: session.endpoint.0,
                });
            }
        };
        let program = match self.program {
            Some(program) => program,
            None => program::build(&settings.program).await?,
        };
        let name = self.name.unwrap_or_else(|| super::NAME.to_owned());
        let folder = if self.kept {
            Folder::named(&session, &name)?
        } else {
            Folder::ours(&session)?
        };
        let keys = Keys::at(folder.path().to_owned());
        keys.make().await?;
        let unit = source_root().join(&settings.service.unit);
        let unit = std::fs::read(&unit).map_err(io(format!("read `{}`", unit.display())))?;
        let mut lab = Lab::builder()
            .flavour(Flavour::Node)
            .base(self.base.unwrap_or(super::BASE))
            .name(&name)
            .publish(SSH_PORT)
            .copy(program, &settings.program.at)
            .copy(keys.host_key(), "/etc/ssh/ssh_host_ed25519_key")
            .file(
                format!("/etc/systemd/system/{}", settings.service.name),
                unit,
            );
        if let Some(toolchain) = &toolchain {
            lab = toolchain.mount(lab);
        }
        if self.kept {
            lab = lab.kept();
        }
        let lab = lab.begin().await?;
        let mut stand_in = StandIn {
            // Until it is read below.
            port: 0,
            deadline: self.deadline.unwrap_or_else(super::deadline),
            lab,
            settings,
            keys,
            folder,
        };
        stand_in.become_ready(toolchain.is_some()).await?;
        if self.kept {
            stand_in.lab.keep();
            stand_in.folder.keep();
        }
        Ok(stand_in)
    }
}

impl StandIn {
    async fn become_ready(&mut self, toolchain: bool) -> Result<(), StandInError> {
        let public = self.keys.public()?;
        let mut script = SET_UP.to_owned();
        if toolchain {
            script.push_str(toolchain::SET_UP);
        }
        self.script(&script, &[&self.settings.user, public.trim()])
            .await?;
        self.find_port().await?;
        self.until_it_answers().await
    }
}
