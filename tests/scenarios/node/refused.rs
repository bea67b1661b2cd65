//! What ssh's words mean when it does not connect. Its exit code is the same for all.

use super::configuration::Configuration;
use super::error::NodeError;

/// The node, for people.
pub(super) fn name(configuration: &Configuration) -> String {
    format!(
        "{}@{} port {}",
        configuration.user, configuration.host, configuration.port
    )
}

/// Why it did not.
pub(super) fn by(configuration: &Configuration, said: &str) -> NodeError {
    let node = name(configuration);
    let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
    let short = said.lines().last().unwrap_or("nothing").to_owned();
    if has(&["Host key verification failed", "IDENTIFICATION HAS CHANGED"]) {
        let host = match configuration.port {
            22 => configuration.host.clone(),
            port => format!("[{}]:{port}", configuration.host),
        };
        let file = configuration.known_hosts.as_ref();
        let file = file.map_or(String::new(), |file| format!("-f {} ", file.display()));
        return NodeError::ChangedHostKey {
            node,
            remedy: format!("ssh-keygen {file}-R '{host}'"),
            said: short,
        };
    }
    if has(&["Permission denied", "Too many authentication failures"]) {
        return NodeError::WrongKey {
            node,
            key: configuration.key.clone(),
            said: short,
        };
    }
    if has(&[
        "Could not resolve",
        "Connection refused",
        "timed out",
        "No route to host",
        "unreachable",
    ]) {
        return NodeError::Unreachable { node, said: short };
    }
    NodeError::NoConnection { node, said: short }
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use super::*;

    crate::node::checks![what_ssh_says_is_told_by_what_to_do];

    fn configuration() -> Configuration {
        Configuration {
            user: "me".into(),
            host: "127.0.0.1".into(),
            port: 2222,
            key: "/keys/mine".into(),
            known_hosts: Some("/keys/known".into()),
            run: None,
        }
    }

    fn what_ssh_says_is_told_by_what_to_do() {
        let told = |said: &str| by(&configuration(), said).to_string();
        for (said, remedy) in [
            (
                "Host key for [127.0.0.1]:2222 has changed and you have requested strict checking.\nHost key verification failed.",
                "ssh-keygen -f /keys/known -R '[127.0.0.1]:2222'",
            ),
            (
                "me@127.0.0.1: Permission denied (publickey).",
                "authorized_keys",
            ),
            (
                "ssh: connect to host 127.0.0.1 port 2222: Connection refused",
                "is it on",
            ),
            ("ssh: Could not resolve hostname nowhere", "is it on"),
            (
                "kex_exchange_identification: read: Connection reset by peer",
                "ssh says: kex",
            ),
        ] {
            assert!(told(said).contains(remedy), "{said}: {}", told(said));
        }
    }
}
