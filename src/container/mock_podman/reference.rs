//! Names of images, as podman reads them.

/// A name that was read: `[DOMAIN/]PATH[:TAG][@DIGEST]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    /// The registry's host and port; none for a short name.
    pub(super) domain: Option<&'a str>,
    /// All before the tag and the digest.
    pub(super) repository: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads a name, or gives podman's words for what is wrong with it.
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        const INVALID: &str = "invalid reference format";
        if text.is_empty() {
            return Err("repository name must have at least one component");
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let path_begins = rest.rfind('/').map_or(0, |at| at + 1);
        let (repository, tag) = match rest[path_begins..].split_once(':') {
            Some((name, tag)) => (&rest[..path_begins + name.len()], Some(tag)),
            None => (rest, None),
        };
        let (domain, path) = match repository.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (Some(first), path)
            }
            _ => (None, repository),
        };
        let is_well = tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest)
            && path.split('/').all(is_component);
        match is_well {
            true if path.contains(|letter: char| letter.is_ascii_uppercase()) => {
                Err("repository name must be lowercase")
            }
            true => Ok(Self {
                domain,
                repository,
                tag,
                digest,
            }),
            false => Err(INVALID),
        }
    }

    /// What a registry is asked for.
    pub(super) fn manifest(&self) -> &'a str {
        self.digest.or(self.tag).unwrap_or("latest")
    }
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && !tag.starts_with(['.', '-'])
        && !tag.is_empty()
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// Letters of either case: the wrong one has words of its own.
fn is_component(part: &str) -> bool {
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    is_end(part.bytes().next())
        && is_end(part.bytes().last())
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The reference with its tag: `latest` where it has neither tag nor digest.
pub(super) fn full(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) || reference.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// The names that an image may have in local storage which is asked for by `reference`, the likeliest first.
pub(super) fn candidates(reference: &str) -> Vec<String> {
    let name = full(reference);
    match Reference::read(reference) {
        Ok(Reference { domain: None, .. }) => {
            let library = if name.contains('/') { "" } else { "library/" };
            vec![
                format!("localhost/{name}"),
                format!("docker.io/{library}{name}"),
                name,
            ]
        }
        Ok(_) | Err(_) => vec![name],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let read = |text| {
            let read = Reference::read(text)?;
            Ok((read.domain, read.repository, read.manifest().to_owned()))
        };
        let digest = format!("sha256:{:064}", 0);
        for (text, is) in [
            (
                "localhost:5000/app:1",
                Ok((Some("localhost:5000"), "localhost:5000/app", "1")),
            ),
            (
                "localhost:5000/app",
                Ok((Some("localhost:5000"), "localhost:5000/app", "latest")),
            ),
            (
                &format!("a.b/c@{digest}"),
                Ok((Some("a.b"), "a.b/c", digest.as_str())),
            ),
            ("short", Ok((None, "short", "latest"))),
            ("a/b:c", Ok((None, "a/b", "c"))),
            ("", Err("repository name must have at least one component")),
            (
                "localhost:5000/Bad/Ref:1",
                Err("repository name must be lowercase"),
            ),
            ("Bad:Ref", Err("repository name must be lowercase")),
            ("a b", Err("invalid reference format")),
            ("x:::", Err("invalid reference format")),
            ("a/", Err("invalid reference format")),
            (
                "localhost:5000/app@sha256:12",
                Err("invalid reference format"),
            ),
        ] {
            let is = is.map(|(domain, repository, manifest): (_, _, &str)| {
                (domain, repository, manifest.to_owned())
            });
            assert_eq!(read(text), is, "{text}");
        }
    }

    #[test]
    fn a_short_name_is_looked_for_where_podman_looks() {
        assert_eq!(
            candidates("app"),
            [
                "localhost/app:latest",
                "docker.io/library/app:latest",
                "app:latest"
            ]
        );
        assert_eq!(candidates("a.b/app:1"), ["a.b/app:1"]);
    }
}
