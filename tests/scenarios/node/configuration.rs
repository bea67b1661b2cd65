//! Which node, and how to reach it: from the environment, checked before any program is started.

use std::net::IpAddr;
use std::path::PathBuf;

/// `USER@HOST`.
pub(crate) const NODE: &str = "ARCHIPELAGO_NODE";
const PORT: &str = "ARCHIPELAGO_NODE_PORT";
const KEY: &str = "ARCHIPELAGO_NODE_KEY";
const KNOWN_HOSTS: &str = "ARCHIPELAGO_NODE_KNOWN_HOSTS";
const LOOPBACK_ONLY: &str = "ARCHIPELAGO_NODE_LOOPBACK_ONLY";
const RUN: &str = "ARCHIPELAGO_NODE_RUN";

/// The test node.
const DEFAULT_NODE: &str = "archipelago@192.168.1.228";
/// Below the home folder.
const DEFAULT_KEY: &str = ".ssh/archipelago-deploy";

/// A node under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) user: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The private key.
    pub(crate) key: PathBuf,
    /// Where host keys are kept; ssh's own file where absent.
    pub(crate) known_hosts: Option<PathBuf>,
    /// The run that has the node's lock already, and that this one is a part of.
    pub(crate) run: Option<String>,
}

/// Why the environment names no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigurationError {
    /// No `USER@HOST`.
    #[error("{NODE} is `{0}` and has to be USER@HOST, of letters, digits, `.`, `:`, `_` and `-`")]
    Node(String),
    /// No number of a port.
    #[error("{PORT} is `{0}` and has to be a number from 1 to 65535")]
    Port(String),
    /// Nothing that the lock takes.
    #[error("{RUN} is `{0}` and has to be of letters, digits, `.`, `:`, `_` and `-`")]
    Run(String),
    /// The default key lies in the home folder, and there is none.
    #[error("HOME is not set: name the private key in {KEY}")]
    NoHome,
    /// The guard.
    #[error(
        "{LOOPBACK_ONLY} is set and `{0}` is not this machine: name another node in {NODE}, or unset the guard"
    )]
    NotLoopback(String),
}

impl Configuration {
    /// Of this process.
    pub(crate) fn from_env() -> Result<Self, ConfigurationError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Pure. Empty variables are as good as unset ones.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let node = variable(NODE).unwrap_or_else(|| DEFAULT_NODE.to_owned());
        let (user, host) = node
            .split_once('@')
            .filter(|(user, host)| is_plain(user) && is_plain(host))
            .ok_or_else(|| ConfigurationError::Node(node.clone()))?;
        if variable(LOOPBACK_ONLY).is_some() && !is_loopback(host) {
            return Err(ConfigurationError::NotLoopback(host.to_owned()));
        }
        let port = match variable(PORT) {
            None => 22,
            Some(text) => match text.parse() {
                Ok(port) if port != 0 => port,
                Ok(_) | Err(_) => return Err(ConfigurationError::Port(text)),
            },
        };
        let key = match (variable(KEY), variable("HOME")) {
            (Some(key), _) => PathBuf::from(key),
            (None, Some(home)) => PathBuf::from(home).join(DEFAULT_KEY),
            (None, None) => return Err(ConfigurationError::NoHome),
        };
        let run = variable(RUN);
        if let Some(run) = run.as_ref().filter(|run| !is_plain(run)) {
            return Err(ConfigurationError::Run(run.clone()));
        }
        Ok(Self {
            user: user.to_owned(),
            host: host.to_owned(),
            port,
            key,
            known_hosts: variable(KNOWN_HOSTS).map(PathBuf::from),
            run,
        })
    }
}

/// Neither an option of ssh nor anything that a shell would take apart.
fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == ':')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".:_-".contains(c))
}

/// Whether a connection to it stays on this machine. Names but one are not believed: what they mean is decided elsewhere.
fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Trials of the profile `unit`.
pub(crate) mod tests {
    use super::*;

    crate::node::checks![
        the_default_address_is_refused_by_the_guard,
        the_environment_is_read,
        what_ssh_would_take_for_an_option_is_refused,
    ];

    fn read(set: &[(&str, &str)]) -> Result<Configuration, ConfigurationError> {
        Configuration::read(|name| {
            let mut set = set.iter();
            set.find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn the_default_address_is_refused_by_the_guard() {
        let home = ("HOME", "/home/me");
        let refused = read(&[home, (LOOPBACK_ONLY, "1")]);
        let host = "192.168.1.228".to_owned();
        assert_eq!(refused, Err(ConfigurationError::NotLoopback(host)));
        for host in [
            "10.0.0.1",
            "127.0.0.1.example.org",
            "node",
            "::2",
            "0.0.0.0",
        ] {
            let node = format!("archipelago@{host}");
            let refused = read(&[home, (LOOPBACK_ONLY, "1"), (NODE, &node)]);
            assert_eq!(refused, Err(ConfigurationError::NotLoopback(host.into())));
        }
        for host in ["127.0.0.1", "::1", "127.8.9.1", "localhost"] {
            let node = format!("archipelago@{host}");
            let taken = read(&[home, (LOOPBACK_ONLY, "1"), (NODE, &node)]);
            assert_eq!(taken.map(|taken| taken.host), Ok(host.to_owned()));
        }
        assert!(read(&[home]).is_ok(), "without the guard it is the default");
    }

    fn the_environment_is_read() {
        let set = [
            (NODE, "me@127.0.0.1"),
            (PORT, "2222"),
            (KEY, "/keys/mine"),
            (KNOWN_HOSTS, "/keys/known"),
            (RUN, "loop-7"),
        ];
        let wanted = Configuration {
            user: "me".into(),
            host: "127.0.0.1".into(),
            port: 2222,
            key: "/keys/mine".into(),
            known_hosts: Some("/keys/known".into()),
            run: Some("loop-7".into()),
        };
        assert_eq!(read(&set), Ok(wanted));
        let least = read(&[("HOME", "/home/me"), (PORT, ""), (RUN, "")]).expect("the defaults");
        assert_eq!((least.port, least.run), (22, None));
        assert_eq!(least.key, PathBuf::from("/home/me/.ssh/archipelago-deploy"));
        assert_eq!(read(&[]), Err(ConfigurationError::NoHome));
        for port in ["0", "65536", "ssh"] {
            let refused = read(&[("HOME", "/"), (PORT, port)]);
            assert_eq!(refused, Err(ConfigurationError::Port(port.into())));
        }
    }

    fn what_ssh_would_take_for_an_option_is_refused() {
        for node in [
            "127.0.0.1",
            "me@",
            "@127.0.0.1",
            "me@-oProxyCommand=x",
            "-l@127.0.0.1",
            "me@a b",
            "me@$(id)",
            "me@a@b",
        ] {
            let refused = read(&[("HOME", "/"), (NODE, node)]);
            assert_eq!(refused, Err(ConfigurationError::Node(node.into())));
        }
        let refused = read(&[("HOME", "/"), (RUN, "a'b")]);
        assert_eq!(refused, Err(ConfigurationError::Run("a'b".into())));
    }
}
