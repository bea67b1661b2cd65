//! A gate before whatever somebody runs on the node over ssh: it notes each command down, and strikes at one of them. So a
//! connection can be lost, or Ctrl-C be pressed, exactly before or after any command of a run.
//!
//! ```text
//! ssh ──▶ sshd ──▶ ForceCommand: the gate ──▶ the command
//!           ▲            │ notes it down; armed for it, the gate
//!           └────────────┘ ends this connection, or keeps the command waiting
//! ```
//! Forwarded ports are no commands: they are not seen, and end with their connection.

use super::faults::RESTART_SSH;
use super::{StandIn, StandInError};

const GATE: &str = include_str!("gate.sh");
/// As in the script.
const FOLDER: &str = "/run/stand-in-gate";
const SETTING: &str = "/etc/ssh/sshd_config.d/gate.conf";

/// For the user `$1`.
const INSTALL: &str = r#"
mkdir -p "$2"
chown -R "$1" "$2"
printf 'Match User %s\n    ForceCommand exec sh %s/gate\n' "$1" "$2" >"$3"
"#;
const REMOVE: &str = r#"rm -f "$2"; rm -rf "$1""#;
/// Forgets what was noted down, and is to strike (`$2`) at the `$3`th command of the kind `$4`. Whatever waits goes on.
const ARM: &str = r#"
cd "$1"
touch go reached
rm -f commands struck
printf '%s\n%s\n%s\n' "$2" "$3" "$4" >armed.new
rm -f go reached
mv armed.new armed
"#;
/// Returns too when it is armed anew or let go.
const REACHED: &str = r#"cd "$1"; until [ -e reached ]; do sleep 0.02; done"#;
const LET_GO: &str = r#"cd "$1"; touch go reached"#;
/// Whether it has struck, then what it has seen.
const SEEN: &str =
    r#"cd "$1"; if [ -e struck ]; then echo struck; else echo; fi; cat commands 2>/dev/null || :"#;

/// What the gate does at a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The connection ends, and the command is not run.
    LostBefore,
    /// The command is run to its end, and the connection ends without an answer to it.
    LostAfter,
    /// The command waits until it is let go; then it is run, whatever became of whoever wanted it.
    Hold,
}

impl Strike {
    fn word(self) -> &'static str {
        match self {
            Self::LostBefore => "lost-before",
            Self::LostAfter => "lost-after",
            Self::Hold => "hold",
        }
    }
}

/// A command that came through the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateCommand {
    /// The connection that it came by: the process of sshd that serves it.
    pub session: u32,
    /// Its line, with an N for whatever is another number or identity in each run.
    pub kind: String,
    /// The how manieth of its kind it is, from 1.
    pub time: usize,
}

/// What came through the gate since it was armed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateSeen {
    /// Whether the command came for which it was armed.
    pub has_struck: bool,
    /// All commands, in order.
    pub commands: Vec<GateCommand>,
}

impl GateSeen {
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let has_struck = lines.next() == Some("struck");
        let mut commands: Vec<GateCommand> = Vec::new();
        for (session, kind) in lines.filter_map(|line| line.split_once('\t')) {
            let earlier = commands.iter().filter(|command| command.kind == kind);
            commands.push(GateCommand {
                session: session.parse().unwrap_or_default(),
                kind: kind.to_owned(),
                time: earlier.count() + 1,
            });
        }
        Self {
            has_struck,
            commands,
        }
    }
}

impl StandIn {
    /// Puts the gate before all that its user runs over ssh from now on. It strikes at nothing yet.
    pub async fn install_gate(&self) -> Result<(), StandInError> {
        let script = format!("{FOLDER}/gate");
        self.lab.write_file(&script, GATE.as_bytes()).await?;
        let user = &self.settings.user;
        self.script(INSTALL, &[user, FOLDER, SETTING]).await?;
        self.disarm_gate().await?;
        self.script(RESTART_SSH, &[]).await
    }

    /// Takes it away again. Whatever it holds goes on.
    pub async fn remove_gate(&self) -> Result<(), StandInError> {
        self.disarm_gate().await?;
        self.script(&format!("{REMOVE}\n{RESTART_SSH}"), &[FOLDER, SETTING])
            .await
    }

    /// Lets it strike at the next command of that kind, or at a later one. What was noted down is forgotten.
    pub async fn arm_gate(
        &self,
        strike: Strike,
        kind: &str,
        time: usize,
    ) -> Result<(), StandInError> {
        let time = time.to_string();
        self.script(ARM, &[FOLDER, strike.word(), &time, kind])
            .await
    }

    /// It strikes at nothing. What was noted down is forgotten, and whatever it holds goes on.
    pub async fn disarm_gate(&self) -> Result<(), StandInError> {
        self.script(ARM, &[FOLDER, "none", "0", ""]).await
    }

    /// Waits until the command has come that it is to hold.
    pub async fn gate_holds(&self) -> Result<(), StandInError> {
        self.script(REACHED, &[FOLDER]).await
    }

    /// Lets the command go that it holds; whoever waits for one waits no longer.
    pub async fn let_go(&self) -> Result<(), StandInError> {
        self.script(LET_GO, &[FOLDER]).await
    }

    /// What has come through since it was armed.
    pub async fn gate_seen(&self) -> Result<GateSeen, StandInError> {
        let argv = ["sh", "-euc", SEEN, "sh", FOLDER];
        Ok(GateSeen::read(&self.lab.succeed(&argv).await?))
    }
}
