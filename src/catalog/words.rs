//! What makes a name, an image reference, an amount of memory or a restart policy good. Pure.

/// The secret that the daemon keeps for itself: the token of its RPC service.
pub const TOKEN_SECRET: &str = "rpc-token";

/// `[a-z0-9][a-z0-9-]*`, at most 63 characters (a DNS label).
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
}

pub(super) fn bad_name(name: &str) -> String {
    let shown: String = name.chars().take(40).collect();
    format!("{shown:?} is not of the form [a-z0-9][a-z0-9-]*, at most 63 characters")
}

pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

pub(super) fn is_memory(text: &str) -> bool {
    let digits = text.trim_end_matches(['b', 'k', 'm', 'g']);
    text.len() - digits.len() <= 1 && digits.parse::<u64>().is_ok_and(|amount| amount > 0)
}

/// An absolute path that can stand in podman's `SOURCE:PATH` and `KEY=VALUE,…`.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains([':', ',', '\0'])
}

pub(super) fn is_signal(text: &str) -> bool {
    text.strip_prefix("SIG").is_some_and(|name| {
        name.starts_with(|first: char| first.is_ascii_uppercase())
            && name
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
    })
}

/// Longer than any reference in use; registries themselves take names of at most so many characters.
const LONGEST_IMAGE: usize = 255;

pub(crate) fn check_image(image: &str) -> Result<(), String> {
    if image.len() > LONGEST_IMAGE {
        return Err(format!(
            "a text of {} characters is no image reference, {LONGEST_IMAGE} are the most",
            image.len()
        ));
    }
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-/:@".contains(letter);
    if !image.chars().all(allowed) || image.starts_with(['-', '.', '/', ':', '@']) {
        return Err(format!("{image:?} is no image reference"));
    }
    let Some((registry, path)) = image.split_once('/') else {
        return Err(format!(
            "`{image}` names no registry; write `docker.io/library/{image}`"
        ));
    };
    if registry != "localhost" && !registry.contains(['.', ':']) {
        return Err(format!(
            "`{image}` names no registry; write `docker.io/{image}`"
        ));
    }
    // What podman would only refuse when it is asked to pull: a scheme, `..`, capitals.
    let port = registry.split_once(':').map(|(_, port)| port);
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let without_digest = path.split('@').next().unwrap_or_default();
    let is_word = |word: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends = |byte: Option<&u8>| byte.is_some_and(|byte| plain(*byte));
        let bytes = word.as_bytes();
        ends(bytes.first())
            && ends(bytes.last())
            && bytes
                .iter()
                .all(|byte| plain(*byte) || b"._-".contains(byte))
    };
    let name = without_digest.split(':').next().unwrap_or_default();
    if !port.is_none_or(is_port) || !name.split('/').all(is_word) {
        return Err(format!("{image:?} is no image reference"));
    }
    let tagged = path
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains([':', '@']));
    if !tagged {
        return Err(format!("`{image}` has neither tag nor digest"));
    }
    let is_local = registry == "localhost" || registry.starts_with("localhost:");
    if path.ends_with(":latest") && !is_local {
        return Err(format!(
            "`{image}` is another image tomorrow; name a version"
        ));
    }
    Ok(())
}

pub(super) fn check_restart(policy: &str) -> Result<(), String> {
    match policy {
        "no" | "on-failure" => Ok(()),
        "always" | "unless-stopped" => Err(format!(
            "`{policy}` restarts a crashing app without any pause, twenty times in five seconds; use `on-failure:3`, the health monitor does the rest"
        )),
        _ => policy
            .strip_prefix("on-failure:")
            .and_then(|count| count.parse::<u32>().ok())
            .map(drop)
            .ok_or_else(|| format!("`{policy}` is neither `no` nor `on-failure:N`")),
    }
}
