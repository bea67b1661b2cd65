//! Finds what differs from run to run at the beginning of a text.

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// An id.
    Id,
    /// A name that podman invented.
    Name,
    /// An address: the length of its first three numbers.
    Address(usize),
    /// Something that is nothing but its kind: what stands for it.
    Word(String),
}

/// What `text` begins with, and its length in bytes. `before` is the character before it, which is part of no word.
pub(super) fn find(text: &str, before: char) -> Option<(usize, Found)> {
    let first = text.as_bytes().first()?;
    let word = |(length, word): (usize, String)| (length, Found::Word(word));
    match first {
        b'0'..=b'9' => time(text)
            .map(word)
            .or_else(|| span_ago(text).map(word))
            .or_else(|| address(text).filter(|_| before != '.'))
            .or_else(|| mac(text).map(word))
            .or_else(|| port(text, before).map(word))
            .or_else(|| size(text).map(word))
            .or_else(|| duration(text).map(word))
            .or_else(|| id(text)),
        b'a'..=b'f' => mac(text).map(word).or_else(|| id(text)),
        b'U' => up(text).map(word),
        b'L' | b'A' => span_ago(text).map(word),
        b's' if !matches!(before, '-' | '_' | '.' | '/') => stopped(text).map(word),
        _ => None,
    }
}

/// Whether podman invents such names.
pub(super) fn is_invented(name: &str) -> bool {
    let is_word = |word: &str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    name.trim_end_matches(|c: char| c.is_ascii_digit())
        .split_once('_')
        .is_some_and(|(adjective, surname)| is_word(adjective) && is_word(surname))
}

fn ends_word(text: &str, at: usize) -> bool {
    !text[at..].starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn id(text: &str) -> Option<(usize, Found)> {
    let length = text
        .bytes()
        .take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        .count();
    (matches!(length, 12 | 25 | 64) && ends_word(text, length)).then_some((length, Found::Id))
}

/// Digits at the beginning.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Whether the text begins as the pattern: `d` is a digit, anything else itself.
fn fits(text: &str, pattern: &str) -> bool {
    text.len() >= pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(b, p)| match p {
            b'd' => b.is_ascii_digit(),
            p => b == p,
        })
}

/// RFC 3339, or Go's own form of a time.
fn time(text: &str) -> Option<(usize, String)> {
    let is_rfc = fits(text, "dddd-dd-ddTdd:dd:dd");
    if !is_rfc && !fits(text, "dddd-dd-dd dd:dd:dd") || text.starts_with("0001-01-01") {
        return None;
    }
    let mut end = 19;
    if text[end..].starts_with('.') {
        end += 1 + digits(&text[end + 1..]);
    }
    let zone = end;
    if is_rfc {
        if text[end..].starts_with('Z') {
            end += 1;
        } else if fits(&text[end..], "+dd:dd") || fits(&text[end..], "-dd:dd") {
            end += 6;
        }
    }
    let zone = &text[zone..end];
    // The monotonic clock that Go prints after a time.
    let rest = &text[end..];
    if let Some(at) = rest.find(" m=").filter(|&at| at <= " +0000 UTC".len()) {
        let clock = rest[at + 3..]
            .find(|c: char| !matches!(c, '+' | '-' | '.' | '0'..='9'))
            .unwrap_or(rest.len() - at - 3);
        return Some((end + at + 3 + clock, format!("<time>{}", &rest[..at])));
    }
    Some((end, format!("<time>{zone}")))
}

/// Go's rounded durations; years only where they are asked for.
fn span(text: &str) -> Option<usize> {
    for fixed in ["Less than a second", "About a minute", "About an hour"] {
        if text.starts_with(fixed) {
            return Some(fixed.len());
        }
    }
    let number = digits(text);
    let rest = text[number..].strip_prefix(' ').filter(|_| number > 0)?;
    ["second", "minute", "hour", "day", "week", "month"]
        .into_iter()
        .find(|unit| rest.starts_with(unit))
        .map(|unit| {
            let plural = usize::from(rest[unit.len()..].starts_with('s'));
            number + 1 + unit.len() + plural
        })
        .filter(|&end| ends_word(text, end))
}

fn span_ago(text: &str) -> Option<(usize, String)> {
    let end = span(text)?;
    text[end..]
        .starts_with(" ago")
        .then(|| (end + 4, "<span> ago".to_owned()))
        .filter(|&(end, _)| ends_word(text, end))
}

fn up(text: &str) -> Option<(usize, String)> {
    let end = span(text.strip_prefix("Up ")?)?;
    Some((3 + end, "Up <span>".to_owned()))
}

fn stopped(text: &str) -> Option<(usize, String)> {
    let end = text.strip_prefix("stopped").map(|_| "stopped".len())?;
    // A name may have the word in it.
    let is_whole = !text[end..].starts_with(['_', '-', '.']) && ends_word(text, end);
    is_whole.then(|| (end, "exited".to_owned()))
}

/// Addresses of private networks; others are the host's own, or given.
fn address(text: &str) -> Option<(usize, Found)> {
    let mut end = 0;
    let mut starts = [0; 4];
    for (index, start) in starts.iter_mut().enumerate() {
        if index > 0 {
            end += usize::from(text[end..].starts_with('.'));
        }
        *start = end;
        let length = digits(&text[end..]);
        if !(1..=3).contains(&length) || index > 0 && !text[..end].ends_with('.') {
            return None;
        }
        end += length;
    }
    let is_more = text[end..].starts_with('.') && digits(&text[end + 1..]) > 0;
    let is_private = ["10.", "192.168."].iter().any(|net| text.starts_with(net))
        || (16..32).any(|second| text.starts_with(&format!("172.{second}.")));
    (is_private && !is_more && ends_word(text, end)).then_some((end, Found::Address(starts[3] - 1)))
}

fn mac(text: &str) -> Option<(usize, String)> {
    let is_mac = text.len() >= 17
        && text.bytes().take(17).enumerate().all(|(index, b)| {
            if index % 3 == 2 {
                b == b':'
            } else {
                matches!(b, b'0'..=b'9' | b'a'..=b'f')
            }
        });
    (is_mac && ends_word(text, 17) && !text[17..].starts_with(':'))
        .then(|| (17, "<mac>".to_owned()))
}

/// The kernel gives free ports from 32768.
fn port(text: &str, before: char) -> Option<(usize, String)> {
    let end = digits(text);
    let number: u32 = text[..end].parse().ok()?;
    let is_chosen =
        before == ':' && text[end..].starts_with("->") && (32768..=65535).contains(&number);
    is_chosen.then(|| (end, "<port>".to_owned()))
}

/// A number with an optional fraction: its length, and whether it has one.
fn number(text: &str) -> Option<(usize, bool)> {
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    let length = whole + if fraction > 0 { fraction + 1 } else { 0 };
    (whole > 0).then_some((length, fraction > 0))
}

fn size(text: &str) -> Option<(usize, String)> {
    let (end, _) = number(text)?;
    if text[..end].chars().all(|c| matches!(c, '0' | '.')) {
        return None;
    }
    let space = usize::from(text[end..].starts_with(' '));
    let unit = [
        "kB", "MB", "GB", "TB", "KB", "KiB", "MiB", "GiB", "TiB", "B",
    ]
    .into_iter()
    .find(|unit| {
        text[end + space..].starts_with(unit) && ends_word(text, end + space + unit.len())
    })?;
    Some((end + space + unit.len(), "<size>".to_owned()))
}

fn duration(text: &str) -> Option<(usize, String)> {
    let (end, is_fraction) = number(text)?;
    let unit = ["ms", "µs", "ns", "s"]
        .into_iter()
        .find(|unit| text[end..].starts_with(unit) && ends_word(text, end + unit.len()))?;
    is_fraction.then(|| (end + unit.len(), "<duration>".to_owned()))
}
