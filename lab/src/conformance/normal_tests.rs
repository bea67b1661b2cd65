use super::*;

fn text(of: &str) -> String {
    normal(of, &Given::default()).text
}

#[test]
fn every_class_has_its_word() {
    let id = "c9e74662da0c535d3afa032e1131281ae20fa634bdc8ff7d6e4186ea7a06ba45";
    for (raw, expected) in [
        (id, "<id64>"),
        (&format!("sha256:{id}"), "sha256:<id64>"),
        (
            &format!("/x/overlay-containers/{id}/userdata"),
            "/x/overlay-containers/<id64>/userdata",
        ),
        ("c9e74662da0c", "<id12>"),
        ("c9e74662da0c535d3afa032e1", "<id25>"),
        ("2026-11-27T00:23:59.43371372Z", "<time>Z"),
        ("2026-11-27T00:23:59+01:00", "<time>+01:00"),
        (
            "2026-11-27 00:21:08.31 +0000 UTC container",
            "<time> +0000 UTC container",
        ),
        (
            "2026-11-27 00:21:08.31 +0000 UTC m=+0.05 x",
            "<time> +0000 UTC x",
        ),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        (
            "0001-01-01 00:00:00 +0000 UTC",
            "0001-01-01 00:00:00 +0000 UTC",
        ),
        ("Up 3 seconds", "Up <span>"),
        ("Up 3 seconds ago (healthy)", "Up <span> ago (healthy)"),
        ("Up Less than a second", "Up <span>"),
        ("Up About an hour", "Up <span>"),
        ("Exited (0) 2 seconds ago", "Exited (0) <span> ago"),
        ("Exited (0) 292 years ago", "Exited (0) 292 years ago"),
        ("About a minute ago", "<span> ago"),
        (
            "failed to stop container a in 1 seconds, resorting",
            "failed to stop container a in 1 seconds, resorting",
        ),
        ("exceeded after 3.0512s", "exceeded after <duration>"),
        ("exceeded after 1s", "exceeded after 1s"),
        ("1.84 MB", "<size>"),
        ("1.5MiB / 20GB", "<size> / <size>"),
        ("0B", "0B"),
        ("12zz", "12zz"),
        ("10.89.0.1/24", "<net>.1/24"),
        ("10.89.0.17", "<net>.<host>"),
        ("127.0.0.1:8080->80/tcp", "127.0.0.1:8080->80/tcp"),
        ("127.0.0.1:43210->80/tcp", "127.0.0.1:<port>->80/tcp"),
        ("0.0.0.0", "0.0.0.0"),
        ("1.10.10.1.1", "1.10.10.1.1"),
        ("aa:bb:cc:00:11:22", "<mac>"),
        ("stopped 3", "exited 3"),
        (
            "a-stopped stopped_x unstopped",
            "a-stopped stopped_x unstopped",
        ),
        ("podman version 5.4.2", "podman version 5.4.2"),
        ("äöü 日本 ", "äöü 日本 "),
        ("", ""),
    ] {
        assert_eq!(text(raw), expected, "{raw}");
    }
}

#[test]
fn what_a_command_line_names_stays() {
    let given = Given::new(["--ip", "10.99.0.7", "aaaaaaaaaaaa"], []);
    let kept = |raw: &str| assert_eq!(normal(raw, &given).text, raw);
    kept("10.99.0.7");
    kept("aaaaaaaaaaaa");
    assert_eq!(normal("10.99.0.8", &given).text, "<net>.<host>");
}

#[test]
fn names_that_podman_made_up_are_known_by_the_documents() {
    let names = ["compassionate_dhawan", "my_app", "a"].map(str::to_owned);
    let given = Given::new(["run", "my_app"], names);
    assert_eq!(
        normal("compassionate_dhawan my_app a dns_enabled", &given).text,
        "<name> my_app a dns_enabled"
    );
}

#[test]
fn a_short_id_is_the_long_one() {
    let id = "c9e74662da0c535d3afa032e1131281ae20fa634bdc8ff7d6e4186ea7a06ba45";
    let keys = |raw: &str| normal(raw, &Given::default()).same[0].key.clone();
    assert_eq!(keys(id), keys(&id[..12]));
}

mod any_text {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_read_and_reading_it_again_changes_nothing(raw in ".{0,80}") {
            let once = text(&raw);
            prop_assert_eq!(text(&once), once);
        }

        #[test]
        fn of_spans_ids_and_times_is_read(
            raw in "(Up |stopped|[0-9]{1,3} (second|minute)s? ago|[0-9a-f]{12}|10\\.[0-9]{1,3}\\.[0-9]\\.[0-9]|[0-9.]{1,6} ?[kM]?B|[ :./>-]){0,12}"
        ) {
            let once = normal(&raw, &Given::default());
            for same in &once.same {
                prop_assert!(once.text[same.at.0..same.at.1].starts_with('<'));
            }
        }
    }
}
