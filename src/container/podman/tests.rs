use std::collections::BTreeMap;

use super::*;
use crate::container::mock_podman::{FIXTURE_IMAGE, MockPodman, PullFault};
use crate::container::status::ContainerState;

/// The text of podman's standard error, and what it means, as measured on 4.3.1, 5.4.2 and 5.8.6.
#[test]
fn every_refusal_is_told_from_the_others_on_every_podman() {
    let source = "initializing source docker://localhost:5000/a:1: ";
    let table = [
        (format!("{source}reading manifest 1 in localhost:5000/a: manifest unknown: manifest unknown"), Refusal::PullManifestUnknown),
        (format!("unable to copy from source docker://localhost:5000/a:1: {source}reading manifest 1 in localhost:5000/a: manifest unknown"), Refusal::PullManifestUnknown),
        (format!("{source}pinging container registry localhost:5999: Get \"http://localhost:5999/v2/\": dial tcp 127.0.0.1:5999: connect: connection refused"), Refusal::PullUnreachable),
        (format!("{source}pinging container registry nosuch.invalid: Get \"https://nosuch.invalid/v2/\": dial tcp: lookup nosuch.invalid on 127.0.0.1:53: no such host"), Refusal::PullUnreachable),
        (format!("{source}reading manifest 1 in a: received unexpected HTTP status: 503 Service Unavailable"), Refusal::PullUnreachable),
        (format!("{source}reading manifest 1 in a: unauthorized: authentication required"), Refusal::PullUnauthorized),
        (format!("{source}reading manifest 1 in a: authentication required"), Refusal::PullUnauthorized),
        (format!("{source}reading manifest 1 in a: denied: m"), Refusal::PullUnauthorized),
        (format!("{source}reading manifest 1 in a: toomanyrequests: m"), Refusal::PullRateLimited),
        (format!("{source}writing blob: adding layer with blob \"sha256:0\": write /x: no space left on device"), Refusal::DiskFull),
        ("localhost:5000/nope:1: image not known".to_owned(), Refusal::NoSuchImage),
        ("inspecting object: no such container x".to_owned(), Refusal::NoSuchContainer),
        ("no container with ID or name \"x\" found: no such container".to_owned(), Refusal::NoSuchContainer),
        ("no such object: \"x\"".to_owned(), Refusal::NoSuchContainer),
        ("creating container storage: the container name \"x\" is already in use by 1. You have to remove that container to be able to reuse that name: that name is already in use, or use --replace to instruct Podman to do so.".to_owned(), Refusal::NameInUse),
        ("adding volume to state: name \"racevol\" is in use: volume already exists".to_owned(), Refusal::NameInUse),
        ("network name net1 already used: network already exists".to_owned(), Refusal::NameInUse),
        ("volume vol2 is being used by the following container(s): 1: volume is being used".to_owned(), Refusal::InUse),
        ("\"net2\" has associated containers with it. Use -f to forcibly delete containers and pods: network is being used".to_owned(), Refusal::InUse),
        ("no volume with name \"x\" found: no such volume".to_owned(), Refusal::NoSuchVolume),
        ("unable to find network with name or ID x: network not found".to_owned(), Refusal::NoSuchNetwork),
        ("cannot remove container 1 as it is paused - running or paused containers cannot be removed without force".to_owned(), Refusal::ImproperState),
        ("container 1 must be in Created or Stopped state to be started: container state improper".to_owned(), Refusal::ImproperState),
        ("unable to start container \"1\": cannot listen on the TCP port: listen tcp4 127.0.0.1:8081: bind: address already in use".to_owned(), Refusal::PortTaken),
        ("unable to start container \"1\": crun: executable file `/x` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found".to_owned(), Refusal::CommandNotFound),
        // A bind source that vanished ends in the same words.
        ("unable to start container \"1\": crun: cannot stat `/srv/bs`: No such file or directory: OCI runtime attempted to invoke a command that was not found".to_owned(), Refusal::Other),
        ("unable to find user nosuchuser: no matching entries in passwd file".to_owned(), Refusal::Other),
    ];
    for (text, expected) in table {
        let stderr = format!(
            "Trying to pull localhost:5000/a:1...\ntime=\"2026-11-23T06:43:30Z\" level=warning msg=\"Failed, retrying in 1s ... (1/3). Error: no such container\"\nError: {text}\n"
        );
        let message = error_message(stderr.as_bytes());
        assert_eq!(message, text);
        assert_eq!(Refusal::from_message(&message), expected, "{text}");
    }
}

#[test]
fn an_error_without_its_word_is_not_lost() {
    assert_eq!(error_message(b"one\ntwo\n"), "one\ntwo");
    // A log line may also follow the error.
    let stderr = b"Error: no\ntime=\"1\" level=warning msg=\"left behind\"\n";
    assert_eq!(error_message(stderr), "no");
    assert_eq!(
        error_message(b"time=\"1\" level=error\n"),
        "time=\"1\" level=error"
    );
    assert_eq!(error_message(b""), "podman gave no reason");
    assert_eq!(error_message(b"Error: \xff\n"), "\u{fffd}");
}

fn spec() -> ContainerSpec {
    ContainerSpec {
        name: "web".to_owned(),
        image: FIXTURE_IMAGE.to_owned(),
        command: vec!["serve".to_owned(), "8080".to_owned()],
        labels: BTreeMap::from([("io.archipelago.package".to_owned(), "web".to_owned())]),
        env: BTreeMap::from([("PRIVATE".to_owned(), "do-not-show".to_owned())]),
        ports: vec![PortSpec {
            host_ip: "127.0.0.1".to_owned(),
            host: 18080,
            container: 8080,
            protocol: "tcp".to_owned(),
        }],
        volumes: vec![VolumeMount {
            volume: "web-data".to_owned(),
            path: "/data".to_owned(),
            read_only: true,
        }],
        secrets: vec![
            SecretUse {
                secret: "web.key".to_owned(),
                target: SecretTarget::Env("KEY".to_owned()),
            },
            SecretUse {
                secret: "web.conf".to_owned(),
                target: SecretTarget::File {
                    path: "/etc/web.conf".to_owned(),
                    uid: 1000,
                    gid: 1001,
                    mode: 0o440,
                },
            },
        ],
        network: Some("archipelago".to_owned()),
        aliases: vec!["http".to_owned()],
        memory: Some("64m".to_owned()),
        user: Some("1000:1000".to_owned()),
        restart: "on-failure:3".to_owned(),
        stop_timeout: Duration::from_millis(29_500),
        stop_signal: Some("SIGINT".to_owned()),
        shm_size: Some("256m".to_owned()),
        init: true,
        health: Some(HealthSpec {
            command: ["/fixture", "check", "--port", "8080"]
                .map(str::to_owned)
                .to_vec(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_millis(2_500),
            retries: 3,
            start_period: Duration::ZERO,
        }),
    }
}

#[test]
fn create_says_all_that_the_spec_says() {
    let expected = [
        "create",
        "--pull=never",
        "--name=web",
        "--restart=on-failure:3",
        "--stop-timeout=30",
        "--label=io.archipelago.package=web",
        "--env=PRIVATE=do-not-show",
        "--publish=127.0.0.1:18080:8080/tcp",
        "--volume=web-data:/data:ro",
        "--secret=web.key,type=env,target=KEY",
        "--secret=web.conf,type=mount,target=/etc/web.conf,uid=1000,gid=1001,mode=0440",
        "--network=archipelago",
        "--memory=64m",
        "--user=1000:1000",
        "--stop-signal=SIGINT",
        "--shm-size=256m",
        "--network-alias=http",
        "--init",
        "--health-cmd=[\"/fixture\",\"check\",\"--port\",\"8080\"]",
        "--health-interval=10000ms",
        "--health-timeout=2500ms",
        "--health-retries=3",
        "--health-start-period=0ms",
        "--",
        FIXTURE_IMAGE,
        "serve",
        "8080",
    ];
    assert_eq!(spec().create_args(), expected);
    let mut v6 = spec();
    v6.ports[0].host_ip = "::1".to_owned();
    assert!(
        v6.create_args()
            .contains(&"--publish=[::1]:18080:8080/tcp".to_owned())
    );
}

#[test]
fn values_of_the_environment_are_in_no_error() {
    let shown = Call::new(spec().create_args()).shown();
    assert!(shown.contains("--env=PRIVATE=…"), "{shown}");
    assert!(!shown.contains("do-not-show"), "{shown}");
}

/// The same calls against every podman.
fn each_version() -> impl Iterator<Item = (MockPodman, Podman)> {
    [(4, 3, 1), (5, 4, 2), (5, 8, 6)]
        .into_iter()
        .map(|(major, minor, patch)| {
            let mock = MockPodman::with_version(PodmanVersion::new(major, minor, patch));
            let podman = Podman::new(Arc::new(mock.clone()));
            (mock, podman)
        })
}

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("io.archipelago.package".to_owned(), "web".to_owned())])
}

const LABEL: &str = "io.archipelago.package=web";

#[tokio::test(start_paused = true)]
async fn a_container_lives_from_create_to_remove() {
    for (mock, podman) in each_version() {
        let version = podman.version().await.expect("a version");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        // podman takes no empty secret.
        std::fs::write(file.path(), "text").expect("written");
        podman
            .network_create("archipelago", &labels())
            .await
            .expect("a network");
        podman
            .volume_create("web-data", &labels())
            .await
            .expect("a volume");
        for name in ["web.key", "web.conf"] {
            let made = podman.secret_create(name, file.path(), &labels()).await;
            made.expect("a secret");
        }
        let id = podman.create(&spec()).await.expect("a container");
        podman.start("web").await.expect("it starts");
        // Started twice it is left alone.
        podman.start("web").await.expect("it runs");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let listed = podman.list(LABEL).await.expect("a list");
        assert_eq!(listed.len(), 1, "{version}");
        assert_eq!((&listed[0].id, listed[0].name.as_str()), (&id, "web"));
        assert_eq!(listed[0].state, ContainerState::Running);
        assert_eq!(listed[0].health, Some(status::Health::Healthy), "{version}");
        assert_eq!(
            podman.inspect("web").await.expect("an answer").as_ref(),
            listed.first()
        );
        assert_eq!(
            podman
                .list("io.archipelago.package=other")
                .await
                .expect("a list"),
            []
        );
        assert_eq!(
            podman.logs("web", 5).await.expect("a log"),
            ["serving on 8080"]
        );
        // podman 4 garbles lines with `--tail`: what is recent is asked for without it, and cut here.
        let asked = mock.calls().pop().expect("a call").join(" ");
        let new = version >= PodmanVersion::new(5, 0, 0);
        assert_eq!(asked.contains("--tail"), new, "{asked}");
        assert_eq!(podman.logs("web", 0).await.expect("a log"), [""; 0]);

        let error = podman.remove("web", false).await.expect_err("it runs");
        assert_eq!(error.refusal(), Some(Refusal::ImproperState), "{error}");
        let error = podman
            .volume_remove("web-data")
            .await
            .expect_err("it is used");
        assert_eq!(error.refusal(), Some(Refusal::InUse), "{error}");
        let error = podman
            .network_remove("archipelago")
            .await
            .expect_err("it is used");
        assert_eq!(error.refusal(), Some(Refusal::InUse), "{error}");

        podman
            .stop("web", Duration::from_secs(30))
            .await
            .expect("it stops");
        let stopped = podman
            .inspect("web")
            .await
            .expect("an answer")
            .expect("it is there");
        assert_eq!(
            (stopped.state, stopped.exit_code),
            (ContainerState::Exited, 0)
        );
        assert_eq!(
            podman.remove("web", false).await.expect("removed"),
            Removed::Done
        );
        for force in [false, true] {
            let again = podman
                .remove("web", force)
                .await
                .expect("nothing to remove");
            assert_eq!(again, Removed::AlreadyGone, "{version}, force: {force}");
        }
        assert_eq!(podman.inspect("web").await.expect("an answer"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn volumes_networks_and_secrets_are_found_by_label_and_removed_once() {
    for (_, podman) in each_version() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        // podman takes no empty secret.
        std::fs::write(file.path(), "text").expect("written");
        let none = BTreeMap::new();
        podman
            .volume_create("web-data", &labels())
            .await
            .expect("a volume");
        podman
            .volume_create("stranger", &none)
            .await
            .expect("a volume");
        podman
            .network_create("web-net", &labels())
            .await
            .expect("a network");
        podman
            .secret_create("web-key", file.path(), &labels())
            .await
            .expect("a secret");
        podman
            .secret_create("other-key", file.path(), &none)
            .await
            .expect("a secret");
        assert_eq!(podman.volumes(LABEL).await.expect("names"), ["web-data"]);
        assert_eq!(podman.networks(LABEL).await.expect("names"), ["web-net"]);
        assert_eq!(podman.secrets(LABEL).await.expect("names"), ["web-key"]);
        assert_eq!(
            podman
                .secrets("io.archipelago.package")
                .await
                .expect("names"),
            ["web-key"]
        );
        assert!(podman.volume_exists("web-data").await.expect("an answer"));
        assert!(podman.network_exists("web-net").await.expect("an answer"));
        assert!(podman.secret_exists("web-key").await.expect("an answer"));
        for (result, kind) in [
            (podman.volume_create("web-data", &none).await, "volume"),
            (podman.network_create("web-net", &none).await, "network"),
            (
                podman.secret_create("web-key", file.path(), &none).await,
                "secret",
            ),
        ] {
            let error = result.expect_err("the name is taken");
            assert_eq!(error.refusal(), Some(Refusal::NameInUse), "{kind}: {error}");
        }
        for expected in [Removed::Done, Removed::AlreadyGone] {
            assert_eq!(
                podman.volume_remove("web-data").await.expect("removed"),
                expected
            );
            assert_eq!(
                podman.network_remove("web-net").await.expect("removed"),
                expected
            );
            assert_eq!(
                podman.secret_remove("web-key").await.expect("removed"),
                expected
            );
        }
        assert!(!podman.volume_exists("web-data").await.expect("an answer"));
        assert!(!podman.network_exists("web-net").await.expect("an answer"));
        assert!(!podman.secret_exists("web-key").await.expect("an answer"));
        assert!(podman.secret_exists("other-key").await.expect("an answer"));
        assert_eq!(
            podman.volumes(LABEL).await.expect("names"),
            [] as [String; 0]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn pulls_fail_as_the_registry_has_it() {
    for (mock, podman) in each_version() {
        let reference = "registry.example/app:1";
        for (fault, kind) in [
            (PullFault::Unreachable, Refusal::PullUnreachable),
            (PullFault::Unauthorized, Refusal::PullUnauthorized),
            (PullFault::ManifestUnknown, Refusal::PullManifestUnknown),
            (PullFault::RateLimited, Refusal::PullRateLimited),
            (PullFault::DiskFull, Refusal::DiskFull),
        ] {
            mock.fail_pull_with(reference, 1, fault);
            let error = podman
                .pull(reference, &mut |_| {})
                .await
                .expect_err("it fails");
            assert_eq!(error.refusal(), Some(kind), "{error}");
            assert!(!podman.image_exists(reference).await.expect("an answer"));
        }
        mock.fail_pull_with(reference, 1, PullFault::Hangs);
        let error = podman
            .pull(reference, &mut |_| {})
            .await
            .expect_err("it hangs");
        assert!(matches!(error, PodmanError::TimedOut { limit, .. } if limit == PULL_LIMIT));
        podman
            .pull(reference, &mut |_| {})
            .await
            .expect("it can be pulled");
        assert!(podman.image_exists(reference).await.expect("an answer"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_process_and_monitor_are_gone_can_be_removed() {
    for (mock, podman) in each_version() {
        let mut spec = spec();
        spec.secrets.clear();
        spec.network = None;
        podman.create(&spec).await.expect("a container");
        podman.start("web").await.expect("it starts");
        assert!(mock.kill_process_and_monitor("web"));
        let found = podman
            .inspect("web")
            .await
            .expect("an answer")
            .expect("it is there");
        assert_eq!(found.state, ContainerState::Running);
        // podman 5.4 wants to be told twice.
        assert_eq!(
            podman.remove("web", true).await.expect("removed"),
            Removed::Done
        );
        assert_eq!(podman.inspect("web").await.expect("an answer"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_looks_like_an_option_is_a_name() {
    for (_, podman) in each_version() {
        let error = podman.start("--all").await.expect_err("there is none");
        assert_eq!(error.refusal(), Some(Refusal::NoSuchContainer), "{error}");
        let error = podman
            .pull("--help", &mut |_| {})
            .await
            .expect_err("it is no reference");
        assert_eq!(error.refusal(), Some(Refusal::Other), "{error}");
        assert_eq!(
            podman.remove("-f", false).await.expect("nothing there"),
            Removed::AlreadyGone
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_beginning_of_an_id_is_no_name() {
    for (_, podman) in each_version() {
        let spec = ContainerSpec {
            secrets: Vec::new(),
            network: None,
            ..spec()
        };
        let id = podman.create(&spec).await.expect("a container");
        assert_eq!(podman.inspect(&id[..6]).await.expect("an answer"), None);
        let found = podman.inspect(&id).await.expect("an answer");
        assert_eq!(found.expect("it is there").name, "web");
    }
}

/// Answers everything with the same output.
struct Says(CommandOutput);

#[async_trait::async_trait]
impl CommandExecutor for Says {
    async fn execute(
        &self,
        _: &str,
        _: &[&str],
    ) -> Result<CommandOutput, super::super::runtime::ExecuteError> {
        Ok(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_and_refusals_are_told_apart() {
    let podman = |code, stdout: &str, stderr: &str| {
        Podman::new(Arc::new(Says(CommandOutput {
            code,
            stdout: stdout.into(),
            stderr: stderr.into(),
        })))
    };
    let garbage = podman(0, "hello\n", "");
    for error in [
        garbage.version().await.map(drop).expect_err("garbage"),
        garbage.list(LABEL).await.map(drop).expect_err("garbage"),
        garbage.inspect("x").await.map(drop).expect_err("garbage"),
        garbage
            .create(&spec())
            .await
            .map(drop)
            .expect_err("garbage"),
        garbage.volumes(LABEL).await.map(drop).expect_err("garbage"),
        garbage.secrets(LABEL).await.map(drop).expect_err("garbage"),
    ] {
        assert!(matches!(error, PodmanError::Unreadable { .. }), "{error:?}");
    }
    // One broken container makes the whole list fail on podman 4.3: that is no empty list.
    let broken = podman(
        125,
        "",
        "Error: joining network namespace of container 1: unknown FS magic\n",
    );
    let error = broken.list(LABEL).await.expect_err("it fails");
    assert_eq!(error.refusal(), Some(Refusal::Other));
    let error = broken
        .image_exists("x")
        .await
        .expect_err("neither yes nor no");
    assert_eq!(error.refusal(), Some(Refusal::Other));
    assert_eq!(
        error.to_string(),
        "`podman image exists -- x` failed with exit code 125: joining network namespace of container 1: unknown FS magic"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pull_tells_how_far_it_is_and_ends_when_dropped() {
    for (mock, podman) in each_version() {
        let reference = "registry.example/app:1";
        mock.pull_delay_ms(3000);
        let mut seen = Vec::new();
        let mut on_progress = |progress| seen.push(progress);
        let pull = podman.pull(reference, &mut on_progress);
        let cut_off = tokio::time::timeout(Duration::from_millis(1500), pull);
        assert!(cut_off.await.is_err());
        let layers = |progress: &PullProgress| (progress.layers_done, progress.layers_total);
        assert_eq!(
            seen.iter().map(layers).collect::<Vec<_>>(),
            [(0, 1), (1, 2)]
        );
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!podman.image_exists(reference).await.expect("an answer"));
        seen.clear();
        podman
            .pull(reference, &mut |progress| seen.push(progress))
            .await
            .expect("pulled");
        assert_eq!(seen.last().map(layers), Some((3, 3)));
        let removed = podman.image_remove(reference).await.expect("removed");
        assert_eq!(removed, Removed::Done);
        assert!(!podman.image_exists(reference).await.expect("an answer"));
        let again = podman.image_remove(reference).await.expect("an answer");
        assert_eq!(again, Removed::AlreadyGone);
    }
}

#[tokio::test(start_paused = true)]
async fn programs_run_in_containers_and_their_exit_codes_are_values() {
    let limit = Duration::from_secs(5);
    for (mock, podman) in each_version() {
        let refused = podman.exec("web", &["/fixture", "check"], limit).await;
        assert_eq!(
            refused.expect_err("there is none").refusal(),
            Some(Refusal::NoSuchContainer)
        );
        let mut spec = spec();
        spec.secrets.clear();
        spec.network = None;
        podman.create(&spec).await.expect("a container");
        let refused = podman.exec("web", &["/fixture", "check"], limit).await;
        assert_eq!(
            refused.expect_err("it does not run").refusal(),
            Some(Refusal::ImproperState)
        );
        podman.start("web").await.expect("it starts");
        let codes = async |command: &[&str]| {
            let output = podman.exec("web", command, limit).await;
            output.expect("it runs").code
        };
        // An init is its PID 1, and does not tell the port.
        assert_eq!(codes(&["/fixture", "check", "--port", "8080"]).await, 0);
        assert_eq!(codes(&["/no/such"]).await, 127);
        for code in [1, 125, 126, 255] {
            mock.fail_exec("web", 1, code, "Error: no");
            assert_eq!(codes(&["/fixture", "check"]).await, code);
        }
        assert_eq!(codes(&["/fixture", "check", "--port", "8080"]).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn statistics_are_of_what_runs() {
    for (_, podman) in each_version() {
        assert_eq!(podman.stats().await.expect("none"), []);
        let mut spec = spec();
        spec.secrets.clear();
        spec.network = None;
        podman.create(&spec).await.expect("a container");
        assert_eq!(podman.stats().await.expect("none"), []);
        podman.start("web").await.expect("it starts");
        tokio::time::sleep(Duration::from_secs(100)).await;
        let stats = podman.stats().await.expect("one");
        assert_eq!(stats.len(), 1);
        assert_eq!(
            (stats[0].name.as_str(), stats[0].cpu_nanos, stats[0].pids),
            ("web", 1_000_000_000, 1)
        );
        assert!(stats[0].memory_bytes > 0 && stats[0].memory_bytes <= stats[0].memory_limit_bytes);
    }
}
