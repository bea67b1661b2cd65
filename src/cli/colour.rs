//! Colours, on a terminal only.

use std::io::IsTerminal;

/// What a colour means is what the daemon says of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    Green,
    Amber,
    Red,
    Blue,
}

impl Colour {
    /// By the daemon's word; a word of a later daemon has none.
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "grey" => Some(Self::Grey),
            "green" => Some(Self::Green),
            "amber" => Some(Self::Amber),
            "red" => Some(Self::Red),
            "blue" => Some(Self::Blue),
            _ => None,
        }
    }

    /// The text between the escapes of ECMA-48 that colour it: the terminal's own palette, which fits its background.
    pub(super) fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Grey => "90",
            Self::Green => "32",
            Self::Amber => "33",
            Self::Red => "31",
            Self::Blue => "34",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether standard output is to be coloured: a terminal, and nobody set `NO_COLOR` (no-color.org: any text but an
/// empty one counts).
pub(super) fn is_wanted() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}
