//! Counts the commands that go through an executor, and how long they take.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Meter;
use crate::container::runtime::{CommandExecutor, CommandOutput, ExecuteError, OutputLine};

/// Runs programs as `inner` does, and counts them.
pub(crate) struct MeteredExecutor {
    pub(crate) inner: Arc<dyn CommandExecutor>,
    pub(crate) meter: Meter,
}

impl MeteredExecutor {
    fn begin<'a>(&'a self, args: &'a [&'a str]) -> Timed<'a> {
        Timed {
            meter: &self.meter,
            args,
            begun: Instant::now(),
            code: None,
        }
    }
}

/// A command under way. One that is dropped before its end, as at a time limit, is counted too.
struct Timed<'a> {
    meter: &'a Meter,
    args: &'a [&'a str],
    begun: Instant,
    code: Option<i32>,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.meter
            .podman(self.args, self.code, self.begun.elapsed());
    }
}

#[async_trait]
impl CommandExecutor for MeteredExecutor {
    fn is_this_machine(&self) -> bool {
        self.inner.is_this_machine()
    }

    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError> {
        let mut timed = self.begin(args);
        let output = self.inner.execute(program, args).await?;
        timed.code = Some(output.code);
        Ok(output)
    }

    async fn stream(
        &self,
        program: &str,
        args: &[&str],
        on_line: &mut (dyn FnMut(OutputLine) + Send),
    ) -> Result<i32, ExecuteError> {
        let mut timed = self.begin(args);
        let code = self.inner.stream(program, args, on_line).await?;
        timed.code = Some(code);
        Ok(code)
    }
}
