//! How many operands a command takes, and podman's words where there are others.

use super::reply::{Refused, refuse};

/// What a command says to its operands before it does anything.
enum Rule {
    None,
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
    /// At least one, unless a flag says which; with `--all` none. The words where there is none.
    Names(&'static str),
}

const WHICH: &str = "you must provide at least one name or id";

fn rule(path: &str, is_5_8: bool) -> Option<Rule> {
    // `podman container X` is `podman X`.
    let short = path.strip_prefix("container ").unwrap_or(path);
    Some(match (path, short) {
        ("container inspect" | "inspect" | "image inspect", _) => {
            Rule::Names("no names or ids specified")
        }
        (_, "version" | "info" | "ps" | "list" | "events" | "system df") => Rule::None,
        ("volume ls" | "network ls" | "secret ls", _) => Rule::None,
        ("container exists", _) => Rule::Exactly(1),
        ("image exists" | "volume exists" | "network exists" | "secret exists", _) => {
            Rule::Exactly(1)
        }
        ("healthcheck run", _) => Rule::Exactly(1),
        ("secret create", _) => Rule::Exactly(2),
        ("volume create" | "network create" | "images" | "image list", _) => Rule::AtMost(1),
        ("network rm" | "network inspect" | "secret inspect" | "untag" | "image untag", _) => {
            Rule::AtLeast(1)
        }
        ("tag" | "image tag", _) => Rule::AtLeast(2),
        ("pull" | "image pull", _) => Rule::AtLeast(1),
        (_, "create" | "run") => Rule::AtLeast(1),
        (_, "rename") => Rule::Exactly(2),
        (_, "cp") => Rule::Exactly(2),
        (_, "stop" | "kill" | "restart" | "pause" | "unpause" | "rm") => Rule::Names(WHICH),
        (_, "start") => Rule::Names("start requires at least one argument"),
        (_, "wait") => Rule::Names("\"podman wait\" requires a name, id, or the \"--latest\" flag"),
        (_, "logs") => Rule::Names("specify at least one container name or ID to log"),
        (_, "exec") if is_5_8 => Rule::Names(
            "exec requires the name or ID of a container or the --latest or --cidfile flag",
        ),
        (_, "exec") => {
            Rule::Names("exec requires the name or ID of a container or the --latest flag")
        }
        ("rmi" | "image rm", _) => Rule::Names("image name or ID must be specified"),
        ("volume rm", _) => Rule::Names("choose either one or more volumes or all"),
        ("volume inspect", _) => Rule::Names("provide one or more volume names or use --all"),
        ("secret rm", _) => {
            Rule::Names("`podman secret rm` requires one argument, or the --all flag")
        }
        _ => return None,
    })
}

/// Refuses what podman refuses. `has` tells which flags are there.
pub(super) fn check(
    path: &str,
    operands: &[String],
    has: &dyn Fn(&str) -> bool,
    is_5_8: bool,
) -> Result<(), Refused> {
    let Some(rule) = rule(path, is_5_8) else {
        return Ok(());
    };
    let received = operands.len();
    let text = match rule {
        Rule::None if received > 0 => format!("`podman {path}` takes no arguments"),
        Rule::Exactly(number) if received != number => {
            format!("accepts {number} arg(s), received {received}")
        }
        Rule::AtLeast(number) if received < number => {
            format!("requires at least {number} arg(s), only received {received}")
        }
        Rule::AtMost(number) if received > number => {
            format!("accepts at most {number} arg(s), received {received}")
        }
        Rule::Names(words) => {
            let says_which = ["all", "latest", "filter", "cidfile"].into_iter().any(has);
            if received == 0 && !says_which {
                words.to_owned()
            } else if received > 0 && has("all") {
                match path.strip_prefix("container ").unwrap_or(path) {
                    "stop" | "kill" | "restart" | "pause" | "unpause" | "rm" => {
                        "no arguments are needed with --all".to_owned()
                    }
                    "start" => {
                        "either start all containers or the container(s) provided in the arguments"
                            .to_owned()
                    }
                    "rmi" => {
                        "when using the --all switch, you may not pass any images names or IDs"
                            .to_owned()
                    }
                    _ => return Ok(()),
                }
            } else {
                return Ok(());
            }
        }
        Rule::None | Rule::Exactly(_) | Rule::AtLeast(_) | Rule::AtMost(_) => return Ok(()),
    };
    Err(refuse(125, text))
}
