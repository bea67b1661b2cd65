//! Two texts that are no JSON, compared line by line.

use super::divergence::Differs;
use super::events::UNSTEADY;
use super::identities::Identities;
use super::normal::{Given, Normal, normal};

/// Compares what two commands wrote to standard output.
pub(super) fn stdout(
    argv: &[&str],
    (real, mock): (&str, &str),
    given: (&Given, &Given),
    identities: &mut Identities,
) -> Option<Differs> {
    let read = |text: &str, given: &Given| {
        let mut lines: Vec<Normal> = text
            .lines()
            .filter(|line| !is_unsteady(argv, line))
            .map(|line| {
                columns(&normal(
                    &mounts_in_order(argv, &without_pids(argv, line)),
                    given,
                ))
            })
            .collect();
        // Volumes are in the order of their names, some of which are made up.
        let is_volumes = matches!(argv, ["volume", "ls" | "prune", ..]);
        // podman keeps secrets in a map: no order is stable.
        let is_secrets = matches!(argv, ["secret", "ls" | "list" | "rm", ..]);
        // The log's order differs from run to run; the order for each container is compared in the look at the end.
        let is_log = argv.first() == Some(&"events");
        if is_volumes || is_secrets || is_log || works_side_by_side(argv) {
            lines.sort_by(|one, other| one.text.cmp(&other.text));
            forget_twins(&mut lines);
        }
        lines
    };
    let lines = (read(real, given.0), read(mock, given.1));
    let has_end = |text: &str| text.is_empty() || text.ends_with('\n');
    differs("stdout", lines, identities).or_else(|| {
        let end = |text: &str| {
            if has_end(text) {
                "ends with its last line's end"
            } else {
                "ends without the end of its last line"
            }
        };
        (has_end(real) != has_end(mock)).then(|| Differs::new("stdout", end(real), end(mock)))
    })
}

/// Whether a command stops or removes several containers side by side: which is done first differs from run to run.
fn works_side_by_side(argv: &[&str]) -> bool {
    matches!(
        argv,
        ["stop" | "rm", ..] | ["container", "stop" | "rm" | "prune", ..]
    )
}

/// Which of several lines of nothing but an id is whose is not known once they are sorted.
fn forget_twins(lines: &mut [Normal]) {
    let texts: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
    for (at, line) in lines.iter_mut().enumerate() {
        let is_like = |other: Option<&String>| other == Some(&texts[at]);
        if is_like(texts.get(at + 1)) || (at > 0 && is_like(texts.get(at - 1))) {
            line.same.clear();
        }
    }
}

/// A line of an event that is now there and now not.
fn is_unsteady(argv: &[&str], line: &str) -> bool {
    argv.first() == Some(&"events") && line.split_whitespace().any(|word| UNSTEADY.contains(&word))
}

/// Compares what two commands wrote to standard error.
pub(super) fn stderr(
    argv: &[&str],
    (real, mock): (&str, &str),
    given: (&Given, &Given),
    identities: &mut Identities,
) -> Option<Differs> {
    if is_cut_log(argv) && !real.starts_with("Error: ") && !mock.starts_with("Error: ") {
        return None;
    }
    let read = |text: &str, given: &Given| {
        let mut lines = said(text, given);
        if works_side_by_side(argv) {
            lines.sort_by(|one, other| one.text.cmp(&other.text));
            forget_twins(&mut lines);
        }
        lines
    };
    let lines = (read(real, given.0), read(mock, given.1));
    differs("stderr", lines, identities)
}

/// podman prints a container's mounts, as `[/a /b]`, in an order that differs from run to run.
fn mounts_in_order(argv: &[&str], line: &str) -> String {
    let shows_mounts = argv.iter().any(|word| word.contains(".Mounts"));
    match (line.split_once('['), line.strip_suffix(']')) {
        (Some((before, list)), Some(_)) if shows_mounts => {
            let mut mounts: Vec<&str> = list.trim_end_matches(']').split(' ').collect();
            mounts.sort_unstable();
            format!("{before}[{}]", mounts.join(" "))
        }
        _ => line.to_owned(),
    }
}

/// Whether a command shows the end of a log. A program writes a line of standard error in pieces, each of which may become an
/// entry of the log, and `--tail` counts entries and puts some of them together in another order. Standard output comes in
/// whole lines.
fn is_cut_log(argv: &[&str]) -> bool {
    let has_tail = argv.iter().any(|word| word.starts_with("--tail"));
    has_tail && matches!(argv, ["logs", ..] | ["container", "logs", ..])
}

/// What a pull says on its way; how often and in which order depends on its speed.
const PROGRESS: &[&str] = &[
    "Trying to pull ",
    "Getting image source signatures",
    "Copying blob ",
    "Copying config ",
    "Writing manifest to image destination",
    "Storing signatures",
];

/// Before the ids of all containers that have a volume.
const USERS: &str = "being used by the following container(s)";

/// What podman says of its host and not of what it was told to do.
const NOISE: &[&str] = &[
    // Some hosts mount a cgroup v1 controller read-only; it comes and goes with the host.
    "Failed to add conmon to cgroupfs sandbox cgroup",
];

/// The lines, those of progress as one at their head.
fn said(text: &str, given: &Given) -> Vec<Normal> {
    let is_progress = |line: &str| PROGRESS.iter().any(|begin| line.starts_with(begin));
    let progress = text.lines().any(is_progress).then(|| Normal {
        text: "<progress of a pull>".to_owned(),
        same: Vec::new(),
    });
    let others = text
        .lines()
        .filter(|line| !is_progress(line) && !NOISE.iter().any(|noise| line.contains(noise)))
        .map(|line| {
            let mut line = columns(&normal(line, given));
            // podman 4.3 names them in the order of their ids, which are chance.
            if line.text.contains(USERS) && line.same.len() > 1 {
                line.same.clear();
            }
            line
        });
    progress.into_iter().chain(others).collect()
}

fn differs(
    what: &str,
    (real, mock): (Vec<Normal>, Vec<Normal>),
    identities: &mut Identities,
) -> Option<Differs> {
    let same_text = real.len() == mock.len()
        && real
            .iter()
            .zip(&mock)
            .all(|(real, mock)| real.text == mock.text);
    let mut agree = same_text;
    // Lines that do not fit say nothing of what is the same.
    if same_text {
        for (real, mock) in real.iter().zip(&mock) {
            agree &= identities.agree(real, mock);
        }
    }
    (!agree).then(|| {
        let show = |lines: &[Normal], is_real| {
            let lines: Vec<String> = lines
                .iter()
                .map(|line| identities.show(line, is_real))
                .collect();
            lines.join("\n")
        };
        Differs::new(what, show(&real, true), show(&mock, false))
    })
}

/// Columns are as wide as their widest entry, which may be one that differs from run to run: any run of spaces is one.
fn columns(line: &Normal) -> Normal {
    let mut narrow = Normal::default();
    let mut same = line.same.iter().peekable();
    let mut before = 'x';
    for (at, c) in line.text.char_indices() {
        if let Some(next) = same.next_if(|next| next.at.0 == at) {
            let length = next.at.1 - next.at.0;
            let from = narrow.text.len();
            let mut next = next.clone();
            next.at = (from, from + length);
            narrow.same.push(next);
        }
        if c != ' ' || before != ' ' {
            narrow.text.push(c);
        }
        before = c;
    }
    let length = narrow.text.trim_end_matches(' ').len();
    narrow.text.truncate(length);
    narrow
}

/// A line that a format made, without the process ids that the format asked for. 0 is none, and stays.
fn without_pids(argv: &[&str], line: &str) -> String {
    let Some(format) = argv.iter().find(|word| word.contains("Pid}}")) else {
        return line.to_owned();
    };
    let format =
        format.split_once('=').map_or(
            *format,
            |(flag, value)| {
                if flag.starts_with('-') { value } else { format }
            },
        );
    let fields: Vec<&str> = format.split(' ').collect();
    let words: Vec<&str> = line.split(' ').collect();
    if fields.len() != words.len() {
        return line.to_owned();
    }
    let words: Vec<&str> = fields
        .iter()
        .zip(words)
        .map(|(field, word)| {
            let is_pid = field.contains("Pid}}")
                && word.parse::<u32>().is_ok_and(|pid| pid > 0)
                && field.starts_with("{{")
                && field.ends_with("}}");
            if is_pid { "<pid>" } else { word }
        })
        .collect();
    words.join(" ")
}
