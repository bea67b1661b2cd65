//! What podman may be told on a live node: to look, and to do something to containers of these tests. Pure.

use std::collections::BTreeSet;

/// Commands of podman that change nothing, whatever follows.
const LOOKS: [&str; 7] = ["ps", "images", "inspect", "logs", "info", "version", "port"];
/// The same, as the second word.
const LOOKS_OF: [&str; 3] = ["ls", "inspect", "exists"];

/// Whether a podman command changes nothing but what is named here: these tests touch nobody else's.
pub(super) fn is_harmless(argv: &[&str], own: &BTreeSet<&str>) -> bool {
    match argv {
        [look, ..] if LOOKS.contains(look) => true,
        [_, look, ..] if LOOKS_OF.contains(look) => true,
        // The container is the first word that is no option; the rest is its own business.
        ["exec", rest @ ..] => rest
            .iter()
            .find(|word| !word.starts_with('-'))
            .is_some_and(|word| own.contains(word)),
        // All of them; what an option is given is a number.
        ["rm" | "kill" | "stop" | "start", rest @ ..] => {
            let mut named = rest.iter().filter(|word| !word.starts_with('-'));
            let mut named = named
                .by_ref()
                .filter(|word| word.parse::<u32>().is_err())
                .peekable();
            named.peek().is_some() && named.all(|word| own.contains(word))
        }
        _ => false,
    }
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use super::*;

    crate::node::checks![podman_touches_nobody_elses];

    fn podman_touches_nobody_elses() {
        let own = BTreeSet::from(["mine"]);
        let is_harmless = |line: &str| {
            let argv: Vec<&str> = line.split(' ').collect();
            super::is_harmless(&argv, &own)
        };
        for line in [
            "ps --all",
            "container inspect theirs",
            "volume ls --quiet",
            "rm --force --time 0 mine",
            "exec mine /fixture cat /x",
            "exec -i mine true",
        ] {
            assert!(is_harmless(line), "{line}");
        }
        for line in [
            "rm --force theirs",
            "rm --all",
            "stop mine theirs",
            "exec theirs rm mine",
            "system prune mine",
            "volume rm mine",
            "rmi mine",
            "run x mine",
        ] {
            assert!(!is_harmless(line), "{line}");
        }
    }
}
