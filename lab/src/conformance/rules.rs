//! Values of podman's JSON that are not compared as they are: where, how far, and why.

use serde_json::Value;

/// How far a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Its type, and whether it is empty, zero or negative: those are podman's words for "none" and are compared.
    Kind,
    /// Its type alone.
    Type,
    /// All of it, the elements of this array in any order.
    AnyOrder,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// Whose documents: the command without flags and names; empty for all.
    family: &'static str,
    /// The last keys of the path, without numbers of elements; `*` is any key, `**` at the end all that is below. Empty: the
    /// document itself.
    path: &'static str,
    how: How,
    #[expect(dead_code, reason = "the table is its own documentation")]
    reason: &'static str,
}

const fn rule(family: &'static str, path: &'static str, how: How, reason: &'static str) -> Rule {
    Rule {
        family,
        path,
        how,
        reason,
    }
}

/// All that is not compared in full. The first row that fits counts.
const RULES: &[Rule] = &[
    rule("", "Pid", How::Kind, "the kernel's; 0 is none"),
    rule("", "ConmonPid", How::Kind, "the kernel's"),
    rule("ps", "Created", How::Kind, "a time"),
    rule("ps", "StartedAt", How::Kind, "a time; zero is never"),
    rule("ps", "ExitedAt", How::Kind, "a time; zero is never"),
    rule(
        "ps",
        "Size.*",
        How::Kind,
        "bytes on a disk that is laid out otherwise",
    ),
    rule("events", "time", How::Kind, "a time"),
    rule("events", "timeNano", How::Kind, "a time"),
    rule(
        "inspect",
        "GraphDriver.Data.*",
        How::Kind,
        "podman's layers, which have made-up ids",
    ),
    rule(
        "",
        "lockNumber",
        How::Type,
        "whichever lock is free: others were made before this case",
    ),
    rule(
        "",
        "LockNumber",
        How::Type,
        "whichever lock is free: others were made before this case",
    ),
    rule(
        "inspect",
        "SandboxKey",
        How::Kind,
        "a made-up name of a network namespace",
    ),
    rule(
        "inspect",
        "State.CgroupPath",
        How::Kind,
        "the host's tree of cgroups",
    ),
    rule(
        "inspect",
        "HostConfig.CgroupMode",
        How::Kind,
        "`host` on cgroup v1, `private` on v2",
    ),
    rule(
        "inspect",
        "HostConfig.Ulimits.Soft",
        How::Kind,
        "the host's limits",
    ),
    rule(
        "inspect",
        "HostConfig.Ulimits.Hard",
        How::Kind,
        "the host's limits",
    ),
    rule(
        "images",
        "History.**",
        How::Type,
        "names that earlier cases gave the image remain",
    ),
    rule(
        "image inspect",
        "NamesHistory.**",
        How::Type,
        "names that earlier cases gave the image remain",
    ),
    rule("", "Size", How::Kind, "the fixture app's build"),
    rule("", "VirtualSize", How::Kind, "the fixture app's build"),
    rule("", "SharedSize", How::Kind, "the fixture app's build"),
    rule(
        "image inspect",
        "GraphDriver.Data.*",
        How::Kind,
        "podman's layers, which have made-up ids",
    ),
    rule("info", "host.cgroupVersion", How::Kind, "the host's"),
    rule("info", "host.cgroupControllers.**", How::Type, "the host's"),
    rule("info", "host.cpus", How::Kind, "the host's"),
    rule("info", "host.cpuUtilization.*", How::Type, "the host's"),
    rule(
        "info",
        "host.freeLocks",
        How::Kind,
        "what earlier cases hold",
    ),
    rule("info", "host.hostname", How::Kind, "the host's"),
    rule("info", "host.kernel", How::Kind, "the host's"),
    rule("info", "host.memFree", How::Kind, "the host's"),
    rule("info", "host.memTotal", How::Kind, "the host's"),
    rule("info", "host.swapFree", How::Type, "the host's"),
    rule("info", "host.swapTotal", How::Type, "the host's"),
    rule("info", "host.uptime", How::Kind, "the host's"),
    rule(
        "info",
        "registries.**",
        How::Type,
        "the registries that the lab's configuration names",
    ),
    rule("info", "store.graphRootAllocated", How::Kind, "the host's"),
    rule("info", "store.graphRootUsed", How::Kind, "the host's"),
    rule(
        "info",
        "store.graphStatus.*",
        How::Kind,
        "the host's file system",
    ),
    rule(
        "inspect",
        "Config.Env",
        How::AnyOrder,
        "podman keeps them in a map: the same command gave both orders",
    ),
    rule(
        "inspect",
        "Config.Hostname",
        How::Kind,
        "the machine's where the container has its network; else the id, which HOSTNAME of Env and Aliases show as well",
    ),
    rule(
        "ps",
        "Networks",
        How::AnyOrder,
        "podman keeps them in a map: no order is stable",
    ),
    rule(
        "ps",
        "Ports",
        How::AnyOrder,
        "podman keeps them in a map: two recordings of one case differ",
    ),
    rule("volume ls", "", How::AnyOrder, MADE_UP_NAMES),
    rule(
        "inspect",
        "ExecIDs",
        How::Kind,
        "podman keeps sessions in a map: which comes first is chance, and an id says nothing else",
    ),
    rule("inspect", "HostConfig.Binds", How::AnyOrder, MADE_UP_NAMES),
    rule("inspect", "Mounts", How::AnyOrder, MADE_UP_NAMES),
    rule("ps", "Mounts", How::AnyOrder, MADE_UP_NAMES),
];

const MADE_UP_NAMES: &str =
    "in the order of the volumes' names, and those without a name have a made-up one";

/// How far the value at `path` of a document of this family is compared; in full where no rule says otherwise.
pub fn how(family: &str, path: &[String]) -> Option<How> {
    RULES
        .iter()
        .find(|rule| (rule.family.is_empty() || rule.family == family) && fits(rule.path, path))
        .map(|rule| rule.how)
}

fn fits(pattern: &str, path: &[String]) -> bool {
    match pattern.strip_suffix(".**") {
        Some(pattern) => (0..=path.len()).any(|end| ends_with(&path[..end], pattern)),
        None => ends_with(path, pattern),
    }
}

fn ends_with(path: &[String], pattern: &str) -> bool {
    if pattern.is_empty() {
        return path.is_empty();
    }
    let mut path = path.iter().rev();
    pattern
        .rsplit('.')
        .all(|key| path.next().is_some_and(|part| key == "*" || part == key))
}

/// What a value is compared as where it is not compared in full.
pub(super) fn reduced(value: &Value, how: How) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    if how == How::Type {
        // A whole number is written without its fraction.
        return kind.trim_end_matches(" with a fraction").to_owned();
    }
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|n| n <= 0) => number.to_string(),
        Value::String(text) if text.is_empty() => "an empty string".to_owned(),
        Value::Array(list) if list.is_empty() => "an empty array".to_owned(),
        Value::Object(map) if map.is_empty() => "an empty object".to_owned(),
        _ => kind.to_owned(),
    }
}

/// Whose documents a command line prints, as the table has it.
pub fn family(argv: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = argv.iter().map(AsRef::as_ref).collect();
    // Flags before the command and their values.
    let mut words = &words[..];
    while let [flag, rest @ ..] = words
        && flag.starts_with('-')
    {
        words = match rest {
            [_, rest @ ..] if !flag.contains('=') && flag.starts_with("--") => rest,
            rest => rest,
        };
    }
    match words {
        ["ps", ..] | ["container", "ps" | "ls" | "list", ..] => "ps".into(),
        ["inspect" | "container", rest @ ..]
            if words[0] == "inspect" || rest.first() == Some(&"inspect") =>
        {
            let is_image = words
                .windows(2)
                .any(|pair| matches!(pair, ["--type", "image"]))
                || words.contains(&"--type=image");
            if is_image { "image inspect" } else { "inspect" }.into()
        }
        ["images", ..] | ["image", "ls" | "list", ..] => "images".into(),
        [
            group @ ("image" | "volume" | "network" | "secret" | "container" | "system"
            | "healthcheck"),
            command,
            ..,
        ] => format!("{group} {command}"),
        [command, ..] => (*command).to_owned(),
        [] => String::new(),
    }
}
