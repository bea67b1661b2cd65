//! From a command line to the command that answers it.

use std::io;

use async_trait::async_trait;

use super::reply::{Answer, Refused, Reply, not_implemented};
use super::{
    Call, MockPodman, create, images, lifecycle, list, lock, look, remove, resources, secrets, stop,
};
use crate::container::runtime::{CommandExecutor, CommandOutput, ExecuteError};

impl MockPodman {
    async fn dispatch(&self, args: &[&str]) -> Answer {
        match args {
            ["version", rest @ ..] => list::version(self, rest),
            ["--version"] => Ok(Reply::line(format!(
                "podman version {}",
                self.with(|state, _| state.version)
            ))),
            ["ps", rest @ ..] | ["container", "ls" | "list" | "ps", rest @ ..] => {
                list::ps(self, rest)
            }
            ["container", "inspect", rest @ ..] => list::inspect(self, rest, true),
            ["inspect", rest @ ..] => list::inspect(self, rest, false),
            ["image", "exists", rest @ ..] => images::exists(self, rest),
            ["images", rest @ ..] | ["image", "ls" | "list", rest @ ..] => images::ls(self, rest),
            ["pull", rest @ ..] | ["image", "pull", rest @ ..] => images::pull(self, rest).await,
            ["volume", command, rest @ ..] => resources::volume(self, command, rest),
            ["network", command, rest @ ..] => resources::network(self, command, rest),
            ["secret", command, rest @ ..] => secrets::secret(self, command, rest),
            ["container", rest @ ..] => self.dispatch_container(rest).await,
            _ => self.dispatch_container(args).await,
        }
    }

    /// Commands that podman knows with and without `container` before them.
    async fn dispatch_container(&self, args: &[&str]) -> Answer {
        match args {
            ["create", rest @ ..] => create::create(self, rest).await,
            ["run", rest @ ..] => create::run(self, rest).await,
            ["start", rest @ ..] => {
                self.take_time(lifecycle::START_TAKES).await?;
                lifecycle::start(self, rest)
            }
            ["stop", rest @ ..] => stop::stop(self, rest).await,
            ["kill", rest @ ..] => lifecycle::kill(self, rest),
            ["restart", rest @ ..] => lifecycle::restart(self, rest).await,
            ["pause", rest @ ..] => lifecycle::pause(self, rest),
            ["unpause", rest @ ..] => lifecycle::unpause(self, rest),
            ["rm", rest @ ..] => remove::rm(self, rest).await,
            ["exists", rest @ ..] => look::exists(self, rest),
            ["logs", rest @ ..] => look::logs(self, rest),
            ["wait", rest @ ..] => look::wait(self, rest).await,
            ["exec", rest @ ..] => look::exec(self, rest),
            _ => Err(not_implemented(format!("`podman {}`", args.join(" ")))),
        }
    }
}

#[async_trait]
impl CommandExecutor for MockPodman {
    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError> {
        let did_not_start = |text: String| ExecuteError::DidNotStart {
            program: program.to_owned(),
            source: io::Error::new(io::ErrorKind::Unsupported, text),
        };
        if program != "podman" {
            return Err(did_not_start(format!(
                "mock_podman does not implement the program `{program}`"
            )));
        }
        lock(&self.shared.calls).push(Call {
            at: self.now(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        });
        match self.dispatch(args).await {
            Ok(reply) | Err(Refused::ByPodman(reply)) => Ok(reply.into()),
            Err(Refused::NotImplemented(text)) => Err(did_not_start(text)),
            Err(Refused::PowerLost) => Err(ExecuteError::LostOutput {
                program: program.to_owned(),
                source: io::Error::new(io::ErrorKind::BrokenPipe, "the machine lost power"),
            }),
        }
    }
}
