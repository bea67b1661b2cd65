//! Exit codes of the `archipelago` command. They are interface: a code keeps its meaning.

/// It is done.
pub const SUCCESS: u8 = 0;
/// Anything that has no code of its own.
pub const FAILURE: u8 = 1;
/// The command line is wrong (clap's own code).
pub const USAGE: u8 = 2;
/// The daemon answered with an error, or the operation failed.
pub const CALL_FAILED: u8 = 3;
/// The daemon cannot be reached, or broke off.
pub const UNREACHABLE: u8 = 4;
/// The operation was cancelled.
pub const CANCELLED: u8 = 5;
/// Another daemon runs on the same state folder (`EX_TEMPFAIL` of sysexits.h).
pub const ALREADY_RUNNING: u8 = 75;
/// The token cannot be read, or is not the daemon's (`EX_NOPERM` of sysexits.h).
pub const NO_PERMISSION: u8 = 77;
/// The configuration is bad (`EX_CONFIG` of sysexits.h).
pub const CONFIG: u8 = 78;
/// Left by Ctrl-C while the operation goes on in the daemon (128 + SIGINT, as shells say it).
pub const INTERRUPTED: u8 = 130;

/// Every code with its meaning, as `--help` lists them.
pub const ALL: [(u8, &str); 10] = [
    (SUCCESS, "done"),
    (FAILURE, "any failure without a code of its own"),
    (USAGE, "wrong command line"),
    (
        CALL_FAILED,
        "the daemon answered with an error, or the operation failed",
    ),
    (UNREACHABLE, "the daemon cannot be reached, or broke off"),
    (CANCELLED, "the operation was cancelled"),
    (
        ALREADY_RUNNING,
        "another daemon runs on the same state folder",
    ),
    (
        NO_PERMISSION,
        "the token cannot be read, or is not the daemon's",
    ),
    (CONFIG, "bad configuration"),
    (
        INTERRUPTED,
        "left by Ctrl-C; the operation goes on in the daemon",
    ),
];

/// The end of `archipelago --help`.
pub(super) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in ALL {
        text.push_str(&format!("{code:5}  {meaning}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_meanings_share_a_code_and_the_help_names_all() {
        let mut codes: Vec<u8> = ALL.iter().map(|(code, _)| *code).collect();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        assert!(codes.is_sorted());
        let help = help();
        for (code, meaning) in ALL {
            assert!(
                help.contains(&format!("{code:5}  {meaning}\n")),
                "{code} is missing in {help}"
            );
        }
    }
}
