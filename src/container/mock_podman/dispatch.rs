//! From a command line to the command that answers it.

use std::io;

use async_trait::async_trait;

use super::front::{self, Line};
use super::reply::{Answer, Refused, Reply, not_implemented};
use super::{
    Call, MockPodman, create, events, exec, healthcheck, image_list, image_remove, images, info,
    lifecycle, list, lock, look, networks, pull, remove, rename, secrets, stop, volumes,
};
use crate::container::runtime::{
    CommandExecutor, CommandOutput, ExecuteError, OutputLine, OutputStream,
};

impl MockPodman {
    /// `args` in the spelling of [`front`], `asked` as they were given.
    async fn dispatch(&self, args: &[&str], asked: &[&str]) -> Answer {
        match args {
            ["version", rest @ ..] => info::version(self, rest),
            ["info", rest @ ..] | ["system", "info", rest @ ..] => info::info(self, rest),
            ["ps", rest @ ..] | ["container", "ps", rest @ ..] => list::ps(self, "ps", rest),
            ["container", "ls" | "list", rest @ ..] => list::ps(self, "list", rest),
            ["container", "inspect", rest @ ..] => list::inspect(self, rest, true),
            ["inspect", rest @ ..] if images::are_meant(self, rest) => images::inspect(self, rest),
            ["inspect", rest @ ..] => list::inspect(self, rest, false),
            ["image", "exists", rest @ ..] => images::exists(self, rest),
            ["image", "inspect", rest @ ..] => images::inspect(self, rest),
            ["images", rest @ ..] | ["image", "ls" | "list", rest @ ..] => {
                image_list::ls(self, rest)
            }
            ["image", "prune", rest @ ..] => image_remove::prune(self, rest),
            ["tag", rest @ ..] | ["image", "tag", rest @ ..] => images::tag(self, rest),
            ["rmi", rest @ ..] | ["image", "rm", rest @ ..] => image_remove::rmi(self, rest),
            ["healthcheck", "run", rest @ ..] => healthcheck::run(self, rest).await,
            ["stats", rest @ ..] => list::stats(self, rest),
            ["volume", command, rest @ ..] => volumes::volume(self, command, rest).await,
            ["network", command, rest @ ..] => networks::network(self, command, rest).await,
            ["secret", command, rest @ ..] => secrets::secret(self, command, rest),
            ["container", "prune", rest @ ..] => remove::prune(self, rest),
            ["container", rest @ ..] => self.dispatch_container(rest, asked).await,
            _ => self.dispatch_container(args, asked).await,
        }
    }

    /// Commands that podman knows with and without `container` before them.
    async fn dispatch_container(&self, args: &[&str], asked: &[&str]) -> Answer {
        match args {
            ["create", rest @ ..] => create::create(self, rest, asked).await,
            ["run", rest @ ..] => create::run(self, rest, asked).await,
            ["start", rest @ ..] => {
                let names = rest.iter().filter(|word| !word.starts_with('-')).count();
                let each = u32::try_from(names).unwrap_or(u32::MAX).max(1);
                self.overhead(lifecycle::START_TAKES.saturating_mul(each))
                    .await?;
                lifecycle::start(self, rest).await
            }
            ["stop", rest @ ..] => stop::stop(self, rest).await,
            ["kill", rest @ ..] => lifecycle::kill(self, rest).await,
            ["restart", rest @ ..] => lifecycle::restart(self, rest).await,
            ["pause", rest @ ..] => lifecycle::pause(self, rest),
            ["unpause", rest @ ..] => lifecycle::unpause(self, rest),
            ["rm", rest @ ..] => remove::rm(self, rest).await,
            ["rename", rest @ ..] => rename::rename(self, rest),
            ["exists", rest @ ..] => look::exists(self, rest),
            ["logs", rest @ ..] => look::logs(self, rest).await,
            ["wait", rest @ ..] => look::wait(self, rest).await,
            ["exec", rest @ ..] => exec::exec(self, rest).await,
            _ => Err(not_implemented(format!("`podman {}`", asked.join(" ")))),
        }
    }
}

#[async_trait]
impl CommandExecutor for MockPodman {
    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError> {
        self.note(program, args)?;
        let mut lines = Vec::new();
        let answer = self.answer(args, &mut |line| lines.push(line)).await;
        let mut output = output(program, answer)?;
        let mut before = (Vec::new(), Vec::new());
        for OutputLine { stream, text } in lines {
            let bytes = match stream {
                OutputStream::Stdout => &mut before.0,
                OutputStream::Stderr => &mut before.1,
            };
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(b'\n');
        }
        output.stdout.splice(0..0, before.0);
        output.stderr.splice(0..0, before.1);
        Ok(output)
    }

    async fn stream(
        &self,
        program: &str,
        args: &[&str],
        on_line: &mut (dyn FnMut(OutputLine) + Send),
    ) -> Result<i32, ExecuteError> {
        self.note(program, args)?;
        let answer = self.answer(args, on_line).await;
        let output = output(program, answer)?;
        for (stream, bytes) in [
            (OutputStream::Stdout, output.stdout),
            (OutputStream::Stderr, output.stderr),
        ] {
            for text in String::from_utf8_lossy(&bytes).lines() {
                on_line(line(stream, text.to_owned()));
            }
        }
        Ok(output.code)
    }
}

impl MockPodman {
    /// Answers; lines that podman prints before it ends are given to `on_line`, and the answer does not repeat them.
    pub(super) async fn answer(
        &self,
        args: &[&str],
        on_line: &mut (dyn FnMut(OutputLine) + Send),
    ) -> Answer {
        let version = self.shared.store.look(|state, _| state.version);
        let words = match front::read(version, args)? {
            Line::Version => return Ok(Reply::line(format!("podman version {version}"))),
            Line::Command(words) => words,
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = async {
            match &words[..] {
                ["events", rest @ ..] => {
                    let mut on_event = |text| on_line(line(OutputStream::Stdout, text));
                    events::follow(self, rest, &mut on_event).await
                }
                ["pull", rest @ ..] | ["image", "pull", rest @ ..] => {
                    let mut on_step = |text| on_line(line(OutputStream::Stderr, text));
                    pull::pull_by_line(self, rest, &mut on_step).await
                }
                _ => self.dispatch(&words, args).await,
            }
        };
        self.befallen(&words, command).await
    }

    /// Keeps the command line; refuses another program than podman.
    fn note(&self, program: &str, args: &[&str]) -> Result<(), ExecuteError> {
        if program != "podman" {
            return Err(did_not_start(
                program,
                format!("mock_podman does not implement the program `{program}`"),
            ));
        }
        lock(&self.shared.calls).push(Call {
            at: self.now(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        });
        Ok(())
    }
}

fn line(stream: OutputStream, text: String) -> OutputLine {
    OutputLine { stream, text }
}

fn did_not_start(program: &str, text: String) -> ExecuteError {
    ExecuteError::DidNotStart {
        program: program.to_owned(),
        source: io::Error::new(io::ErrorKind::Unsupported, text),
    }
}

fn output(program: &str, answer: Answer) -> Result<CommandOutput, ExecuteError> {
    match answer {
        Ok(reply) | Err(Refused::ByPodman(reply)) => Ok(reply.into()),
        Err(Refused::NotImplemented(text)) => Err(did_not_start(program, text)),
        Err(Refused::Killed) => Ok(Reply {
            // As a shell has it.
            code: 137,
            ..Reply::silent()
        }
        .into()),
        Err(Refused::PowerLost) => Err(ExecuteError::LostOutput {
            program: program.to_owned(),
            source: io::Error::new(io::ErrorKind::BrokenPipe, "the machine lost power"),
        }),
    }
}
