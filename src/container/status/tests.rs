use super::*;
use crate::container::podman::PodmanVersion;

const V4: PodmanVersion = PodmanVersion::new(4, 3, 1);
const V5: PodmanVersion = PodmanVersion::new(5, 4, 2);
const V58: PodmanVersion = PodmanVersion::new(5, 8, 6);

const ID: &str = "3d1f0c5a7b9e2d4c6f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6";
const OTHER: &str = "4d1f0c5a7b9e2d4c6f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6";

/// A `ps` row with all of podman 4.3's fields; `tail` adds those of podman 5.
fn ps_row(id: &str, name: &str, state: &str, times: (i64, i64), tail: &str) -> String {
    let (started, exited) = times;
    format!(
        r#"{{"AutoRemove":false,"Command":["serve","8080"],"CreatedAt":"3 minutes ago","CIDFile":"",
        "Exited":false,"ExitedAt":{exited},"ExitCode":0,"ExposedPorts":null,"Id":"{id}",
        "Image":"localhost/app:1","ImageID":"{id}","IsInfra":false,"Labels":null,"Mounts":[],
        "Names":["{name}"],"Namespaces":{{}},"Networks":["podman"],"Pid":4711,"Pod":"","PodName":"",
        "Ports":null,"Size":null,"StartedAt":{started},"State":"{state}","Status":"Up 3 minutes",
        "Created":1795416000{tail}}}"#
    )
}

fn inspected(state: &str, restart_count: u32, labels: &str) -> String {
    format!(
        r#"[{{"Id":"{ID}","Created":"2026-11-23T06:40:00.123456789Z","Path":"/fixture","Args":[],
        "State":{{{state},"OciVersion":"1.2.0","Running":false,"Paused":false,"Restarting":false,"Dead":false,
        "CheckpointedAt":"0001-01-01T00:00:00Z","RestoredAt":"0001-01-01T00:00:00Z"}},
        "Image":"{ID}","ImageName":"localhost/app:1","Name":"app","RestartCount":{restart_count},
        "Config":{{"Labels":{labels},"StopSignal":15,"Entrypoint":""}}}}]"#
    )
}

fn one(stdout: &str, version: PodmanVersion) -> ContainerStatus {
    let mut found = parse_inspect(stdout.as_bytes(), version).expect("it is podman's JSON");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

const ZERO: i64 = -62_135_596_800;

#[test]
fn reads_an_empty_list() {
    assert_eq!(parse_ps(b"[]\n").expect("JSON"), []);
    assert_eq!(parse_inspect(b"[]\n", V4).expect("JSON"), []);
}

#[test]
fn reads_ps_of_podman_4_and_5() {
    let rows = format!(
        "[{},{}]",
        ps_row(ID, "app", "running", (1_795_416_100, ZERO), ""),
        ps_row(OTHER, "db", "created", (ZERO, ZERO), r#","Restarts":7"#),
    );
    let listed = parse_ps(rows.as_bytes()).expect("it is podman's JSON");
    assert_eq!(listed[0].state, ContainerState::Running);
    assert_eq!(listed[0].pid, 4711);
    assert_eq!(
        listed[0].started_at,
        DateTime::from_timestamp(1_795_416_100, 0)
    );
    // Without `Restarts`, the word of podman 4.3, and with null labels.
    assert_eq!(listed[0].restart_count, 0);
    assert!(listed[0].labels.is_empty());
    assert_eq!(
        (listed[1].restart_count, listed[1].name.as_str()),
        (7, "db")
    );
    for container in &listed {
        // ps has neither; and a zero time is none.
        assert_eq!((container.oom_killed, container.health), (None, None));
        assert_eq!(container.finished_at, None);
    }
    assert_eq!(listed[1].started_at, None);
}

#[test]
fn the_oom_flag_means_nothing_before_podman_5() {
    let state = r#""Status":"exited","OOMKilled":false,"Pid":0,"ExitCode":137,"Error":"",
        "StartedAt":"2026-11-23T06:43:30.763419655Z","FinishedAt":"2026-11-23T06:43:31.1Z""#;
    let json = inspected(state, 0, "null");
    assert_eq!(one(&json, V4).oom_killed, None);
    assert_eq!(one(&json, V5).oom_killed, Some(false));
    let json = json.replace(r#""OOMKilled":false"#, r#""OOMKilled":true"#);
    assert_eq!(one(&json, V58).oom_killed, Some(true));
    assert_eq!(one(&json, V5).exit_code, 137);
}

#[test]
fn health_is_none_without_a_check_whatever_the_version() {
    let state = r#""Status":"running","OOMKilled":false,"Pid":9,"ExitCode":0,"Error":"",
        "StartedAt":"2026-11-23T06:43:30.763419655Z","FinishedAt":"0001-01-01T00:00:00Z""#;
    // 5.x: no key. 4.3: the key, with an empty word; 5.x after a reboot as well.
    assert_eq!(one(&inspected(state, 0, "null"), V5).health, None);
    let with = |word: &str| {
        format!(r#"{state},"Health":{{"Status":"{word}","FailingStreak":0,"Log":null}}"#)
    };
    assert_eq!(one(&inspected(&with(""), 0, "null"), V4).health, None);
    for (word, health) in [
        ("starting", Health::Starting),
        ("healthy", Health::Healthy),
        ("unhealthy", Health::Unhealthy),
    ] {
        let found = one(&inspected(&with(word), 0, "null"), V4).health;
        assert_eq!(found, Some(health));
    }
}

#[test]
fn zero_times_are_none_and_nanoseconds_are_kept() {
    let state = r#""Status":"created","OOMKilled":false,"Pid":0,"ExitCode":0,"Error":"crun: no",
        "StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z""#;
    let found = one(&inspected(state, 3, r#"{"a":"b"}"#), V5);
    assert_eq!((found.started_at, found.finished_at), (None, None));
    assert_eq!(found.created_at.timestamp_subsec_nanos(), 123_456_789);
    assert_eq!(found.error.as_deref(), Some("crun: no"));
    assert_eq!(found.restart_count, 3);
    assert_eq!(found.labels.get("a").map(String::as_str), Some("b"));
}

#[test]
fn a_state_of_the_future_is_kept_and_not_refused() {
    let rows = format!("[{}]", ps_row(ID, "app", "hibernating", (1, 2), ""));
    let listed = parse_ps(rows.as_bytes()).expect("it is podman's JSON");
    assert_eq!(
        listed[0].state,
        ContainerState::Unknown("hibernating".to_owned())
    );
    assert_eq!(listed[0].state.to_string(), "hibernating");
}

#[test]
fn garbage_is_an_error() {
    for garbage in ["", "null", "{}", "[{}]", "podman: not found", "[1]"] {
        assert!(parse_ps(garbage.as_bytes()).is_err(), "{garbage}");
        assert!(parse_inspect(garbage.as_bytes(), V5).is_err(), "{garbage}");
    }
}

#[test]
fn a_container_that_vanished_is_left_out_and_one_that_resists_is_not() {
    let rows = format!(
        "[{},{}]",
        ps_row(OTHER, "db", "running", (1, ZERO), ""),
        ps_row(ID, "app", "running", (1, ZERO), ""),
    );
    let listed = parse_ps(rows.as_bytes()).expect("it is podman's JSON");
    let state = r#""Status":"exited","OOMKilled":true,"Pid":0,"ExitCode":137,"Error":"",
        "StartedAt":"2026-11-23T06:43:30Z","FinishedAt":"2026-11-23T06:43:31Z""#;
    let app = parse_inspect(inspected(state, 0, "null").as_bytes(), V5).expect("JSON");
    for gone in [
        format!("Error: inspecting object: no such container {OTHER}\n"),
        format!("Error: no such container {OTHER}\n"),
        format!("Error: no such container \"{OTHER}\"\n"),
    ] {
        let merged = merge(listed.clone(), app.clone(), gone.as_bytes());
        assert_eq!(merged, app, "{gone}");
    }
    let merged = merge(listed.clone(), app.clone(), b"Error: unknown FS magic\n");
    assert_eq!(merged, [listed[0].clone(), app[0].clone()]);
}

proptest::proptest! {
    /// Whatever podman prints, reading it gives a value or an error.
    #[test]
    fn parsing_never_panics(text in "\\PC*", number in proptest::num::i64::ANY) {
        let _ = parse_ps(text.as_bytes());
        let rows = format!("[{}]", ps_row(ID, "app", "running", (number, number), ""));
        let listed = parse_ps(rows.as_bytes()).expect("any number is a time, or none");
        proptest::prop_assert!(listed[0].started_at == listed[0].finished_at);
    }
}
