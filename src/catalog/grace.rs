//! How long a container may take to stop.

/// Seconds between SIGTERM and SIGKILL for a container of this name, by the class its name tells:
/// Bitcoin nodes 600 (they flush their state), lnd 330 (three attempts of its chain backend check), electrs and
/// electrumx 300 (they compact their index), databases 120, anything else 30.
///
/// The class is looked for in the words between hyphens, so `my-lnd` is an lnd and `dbus-tool` is no database.
#[must_use]
pub fn stop_timeout_secs(name: &str) -> u64 {
    let any = |test: fn(&str) -> bool| name.split('-').any(test);
    if any(|word| word.starts_with("bitcoin")) {
        600
    } else if any(|word| word == "lnd") {
        330
    } else if any(|word| matches!(word, "electrs" | "electrumx")) {
        300
    } else if any(|word| {
        matches!(
            word,
            "db" | "postgres" | "postgresql" | "mysql" | "mariadb" | "mongo" | "mongodb" | "redis"
        )
    }) {
        120
    } else {
        30
    }
}
