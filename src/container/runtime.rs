//! The one seam to the machine: every program that archipelago starts, it starts through a [`CommandExecutor`].

use async_trait::async_trait;

/// What a program that ended has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// Exit code; 128 + N for a program that signal N ended, as a shell has it.
    pub code: i32,
    /// Standard output, as bytes.
    pub stdout: Vec<u8>,
    /// Standard error, as bytes.
    pub stderr: Vec<u8>,
}

/// The program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// It did not start.
    #[error("`{program}` did not start")]
    DidNotStart {
        /// The program's name or path.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It started, and its output could not be read to the end.
    #[error("lost the output of `{program}`")]
    LostOutput {
        /// The program's name or path.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs programs: the real machine, or a mock that answers from memory.
///
/// Dropping the future ends the program: that is how callers set a time limit.
#[async_trait]
pub trait CommandExecutor: Send + Sync {
    /// Runs `program` with `args` to its end. A non-zero exit code is a value, not an error.
    async fn execute(&self, program: &str, args: &[&str]) -> Result<CommandOutput, ExecuteError>;
}
