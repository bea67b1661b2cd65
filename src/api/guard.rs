//! Who may call. Pure.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Whether the request carries the token. Takes as long for a wrong token as for the right one.
pub(super) fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, given)| given.trim());
    let differs = given
        .bytes()
        .zip(token.bytes())
        .fold(0, |differs, (left, right)| differs | (left ^ right));
    given.len() == token.len() && differs == 0
}

/// Refuses what a foreign web page could make a browser send.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), String> {
    let text = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("\u{fffd}"))
    };
    // Without a Host it is no browser.
    let host = text(header::HOST);
    if let Some(host) = host
        && !is_plain(host_only(host))
    {
        return Err(format!(
            "`Host: {host}` is refused; call by IP address or as `localhost`"
        ));
    }
    match text(header::ORIGIN) {
        None => Ok(()),
        Some(origin) => {
            let of_origin = origin.split_once("://").map(|(_, rest)| rest);
            if of_origin.is_some() && of_origin == host {
                Ok(())
            } else {
                Err(format!(
                    "`Origin: {origin}` is refused: it is not this host"
                ))
            }
        }
    }
}

fn is_plain(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_only(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        rest.split_once(']').map_or(rest, |(host, _)| host)
    } else {
        authority
            .split_once(':')
            .map_or(authority, |(host, _)| host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a header value")))
            .collect()
    }

    #[test]
    fn only_ip_addresses_and_localhost_are_hosts() {
        for good in [
            "127.0.0.1:5678",
            "[::1]:5678",
            "localhost",
            "LOCALHOST:1",
            "192.168.1.228",
        ] {
            assert_eq!(
                check_origin(&headers(&[(header::HOST, good)])),
                Ok(()),
                "{good}"
            );
        }
        for bad in [
            "evil.example",
            "localhost.evil.example:5678",
            "127.0.0.1.nip.io",
            "",
        ] {
            assert!(
                check_origin(&headers(&[(header::HOST, bad)])).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_foreign_origin_is_refused() {
        let host = (header::HOST, "127.0.0.1:5678");
        let with = |origin| check_origin(&headers(&[host.clone(), (header::ORIGIN, origin)]));
        assert_eq!(with("http://127.0.0.1:5678"), Ok(()));
        for bad in [
            "http://evil.example",
            "http://127.0.0.1:80",
            "null",
            "127.0.0.1:5678",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_token_must_be_exactly_right() {
        let with = |value| has_token(&headers(&[(header::AUTHORIZATION, value)]), "secret");
        assert!(with("Bearer secret"));
        assert!(with("bearer secret"));
        for bad in [
            "Bearer secre",
            "Bearer secrets",
            "Bearer ",
            "Basic secret",
            "secret",
        ] {
            assert!(!with(bad), "{bad}");
        }
        assert!(!has_token(&HeaderMap::new(), "secret"));
    }
}
