use super::*;
use crate::container::runtime::CommandExecutor;

async fn run(mock: &MockPodman, line: &str) -> i32 {
    let words: Vec<&str> = line.split(' ').collect();
    let output = mock.execute("podman", &words).await;
    output.expect("it is known").code
}

fn script(text: &str) -> Behaviour {
    text.parse().expect("a behaviour")
}

async fn seen_after(mock: &MockPodman, seconds: u64) -> (String, i32) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let container = mock.containers().remove(0);
    (container.state.as_str().to_owned(), container.exit_code)
}

#[tokio::test(start_paused = true)]
async fn programs_of_an_image_end_as_they_were_told() {
    for (text, code) in [
        ("exit 3 after 30s", 3),
        ("oom after 30s, exit 1 after 1m", 137),
    ] {
        let mock = MockPodman::new();
        mock.behave("registry.example/app:1", script(text));
        assert_eq!(
            run(&mock, "run -d --name a registry.example/app:1").await,
            0
        );
        assert_eq!(
            seen_after(&mock, 29).await,
            ("running".to_owned(), 0),
            "{text}"
        );
        assert_eq!(
            seen_after(&mock, 2).await,
            ("exited".to_owned(), code),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_runs_behaves_so_from_now_on() {
    let mock = MockPodman::new();
    assert_eq!(
        run(&mock, "run -d --name a registry.example/app:1").await,
        0
    );
    mock.behave("a", script("ignore term"));
    let before = mock.now();
    assert_eq!(run(&mock, "stop -t 5 a").await, 0);
    assert!((mock.now() - before).num_seconds() >= 5);
    assert_eq!(seen_after(&mock, 0).await, ("exited".to_owned(), 137));
    mock.behave("a", script("stop in 3s"));
    assert_eq!(run(&mock, "start a").await, 0);
    assert_eq!(run(&mock, "stop a").await, 0);
    assert_eq!(seen_after(&mock, 0).await, ("exited".to_owned(), 0));
    mock.behave("a", script("exit 7 after 2s"));
    assert_eq!(run(&mock, "start a").await, 0);
    assert_eq!(seen_after(&mock, 3).await, ("exited".to_owned(), 7));
}

#[tokio::test(start_paused = true)]
async fn health_fails_when_it_was_told_to() {
    let mock = MockPodman::new();
    mock.behave("registry.example/app:1", script("unhealthy after 1m"));
    let line = "run -d --name a --health-cmd true --health-interval 1s --health-retries 1 registry.example/app:1";
    assert_eq!(run(&mock, line).await, 0);
    let word = || mock.with(|state, _| state.find("a").and_then(|a| a.health_word()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(word(), Some("healthy"));
    tokio::time::sleep(Duration::from_secs(33)).await;
    assert_eq!(word(), Some("unhealthy"));
}

#[test]
fn what_is_no_behaviour_is_quoted() {
    for text in ["", "exit 1", "exit 300 after 1s", "oom after 3", "dance"] {
        let error = text.parse::<Behaviour>().expect_err("it is none");
        assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
    }
}
