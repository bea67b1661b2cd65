use super::*;

fn words_of(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn the_fixture_the_folder_and_the_time_are_put_in_wherever_they_stand() {
    let filled = fill(
        &words_of("run --volume $DIR/x:/x --label at=$SINCE $FIXTURE serve 1"),
        Path::new("/d"),
        "noon",
    );
    assert_eq!(
        filled,
        words_of(&format!(
            "run --volume /d/x:/x --label at=noon {FIXTURE} serve 1"
        ))
    );
}

#[test]
fn a_look_at_containers_is_left_out_where_there_are_none() {
    let argv = ["container", "inspect", "$CONTAINERS"];
    assert_eq!(look(&argv, &[], "now"), None);
    assert_eq!(
        look(&argv, &words_of("b a"), "now"),
        Some(words_of("container inspect b a"))
    );
    assert_eq!(
        look(&["events", "--since", "$SINCE"], &[], "now"),
        Some(words_of("events --since now"))
    );
}

#[test]
fn containers_are_named_as_ps_lists_them() {
    let mut ps = Outcome {
        stdout: r#"[{"Names":["b"]},{"Names":["a"]}]"#.into(),
        ..Outcome::default()
    };
    assert_eq!(containers(&ps), ["b", "a"]);
    ps.stdout = "Error".into();
    assert!(containers(&ps).is_empty());
}

/// A program that keeps its arguments, says where its folder is, and answers a little.
const STAND_IN: &str = r#"#!/bin/sh
echo "$@" >>"$LOG"
case "$1 $2" in
"version --format") echo 1.2.3 ;;
"mock take-port") echo "no port" >&2; exit 9 ;;
"container inspect") echo running ;;
"wait here") exec sleep 30 ;;
"ps --all") echo '[{"Names":["a"]}]' ;;
"show dir") echo "in $3" ;;
esac
"#;

struct StandIn {
    folder: tempfile::TempDir,
    podman: Podman,
}

impl StandIn {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("podman");
        std::fs::write(&program, STAND_IN).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut podman = Podman::new(program, Duration::from_secs(20));
        podman
            .env
            .push(("LOG".into(), folder.path().join("log").into()));
        Self { folder, podman }
    }

    fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }

    async fn play(&self, steps: &[&str]) -> Transcript {
        let case = Case {
            name: "a::b".into(),
            needs: Vec::new(),
            steps: steps
                .iter()
                .map(|step| Step::parse(step).unwrap())
                .collect(),
        };
        let play = Play::begin(&self.podman, Outside::Mock).unwrap();
        match play.play(&case).await.unwrap() {
            Progress::Done(transcript) => transcript,
            Progress::Reboot(_) => panic!("a mock is rebooted by telling it"),
        }
    }
}

#[tokio::test]
async fn steps_are_played_in_order_and_looks_taken_after_them() {
    let stand_in = StandIn::new();
    let transcript = stand_in
        .play(&[
            "podman show dir $DIR",
            "file x y",
            "until a running",
            "kill-process a",
            "registry 401",
            "take-port 8080",
            "reboot",
        ])
        .await;
    let outcomes: Vec<(i32, &str)> = transcript
        .played
        .iter()
        .map(|played| (played.outcome.code, &*played.outcome.stdout))
        .collect();
    assert_eq!(
        outcomes,
        [
            (0, "in $DIR\n"),
            (0, ""),
            (0, ""),
            (0, ""),
            (0, ""),
            (1, ""),
            (0, "")
        ]
    );
    assert_eq!(transcript.played[5].outcome.stderr, "no port\n");
    let log = stand_in.log();
    assert_eq!(
        log[1..6],
        [
            "container inspect --format {{.State.Status}} a",
            "mock kill-process a",
            "mock registry localhost:5001 401",
            "mock take-port 8080",
            "mock reboot",
        ]
    );
    assert!(log.contains(&"container inspect a".to_owned()), "{log:?}");
    assert_eq!(transcript.after.len(), LOOKS.len());
}

#[tokio::test]
async fn a_killed_client_and_one_that_ended_before() {
    let transcript = StandIn::new()
        .play(&[
            "kill-client 50 podman wait here",
            "kill-client 10000 podman ps",
        ])
        .await;
    let codes: Vec<i32> = transcript
        .played
        .iter()
        .map(|played| played.outcome.code)
        .collect();
    assert_eq!(codes, [137, 0]);
    assert_eq!(transcript.played[0].outcome.stderr, "");
}

#[tokio::test]
async fn commands_beside_others_have_their_own_outcome_and_do_not_outlive_the_case() {
    let begun = Instant::now();
    let transcript = StandIn::new()
        .play(&[
            "spawn x podman show dir z",
            "spawn y podman wait here",
            "join x",
            "join nobody",
            "reboot",
            "join y",
            "spawn w podman wait here",
        ])
        .await;
    let outcome = |step: usize| &transcript.played[step].outcome;
    assert_eq!((outcome(2).code, &*outcome(2).stdout), (0, "in z\n"));
    assert_eq!(outcome(3).code, 1);
    assert!(outcome(3).stderr.contains("nobody"));
    assert_eq!(outcome(5).code, 137);
    assert!(begun.elapsed() < Duration::from_secs(20));
}
