//! Secrets: containers get them, and nobody else does.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::node::{Node, container};

/// An app that gets the same secret as a variable, as a file and in two texts.
const ALL_WAYS: &str = r#"secrets = [
  { name = "box-key", env = "KEY", file = "/run/key", mode = 0o440, uid = 1000, gid = 1001 },
  { name = "url", env = "URL", template = "http://me:${secret:box-key}@db:1/?x=$1" },
  { name = "conf", file = "/etc/box/box.conf", template = "auth=me:${rpcauth:box-key}\npass=${secret:box-key}\n" },
]"#;

/// All that is logged while it is the subscriber.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn cat(node: &Node, container: &str, path: &str) -> String {
    node.podman(&["exec", container, "/fixture", "cat", path])
        .await
}

fn secret(node: &Node, name: &str) -> String {
    std::fs::read_to_string(node.state_file(&format!("secrets/{name}"))).expect("a secret")
}

fn secret_files(node: &Node) -> Vec<String> {
    let entries = std::fs::read_dir(node.state_file("secrets")).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Names of podman's secrets.
async fn podman_secrets(node: &Node) -> Vec<String> {
    let text = node.podman(&["secret", "ls", "--format={{.Name}}"]).await;
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn an_app_gets_variables_files_and_rendered_texts() {
    let node = Node::new().await;
    node.app("box", "serve 1", ALL_WAYS);
    node.install("box").await;
    let key = secret(&node, "box-key");
    let environ = cat(&node, "box", "/proc/1/environ").await;
    let variables: Vec<&str> = environ.split('\0').collect();
    assert!(variables.contains(&&*format!("KEY={key}")), "{environ:?}");
    assert!(
        variables.contains(&&*format!("URL=http://me:{key}@db:1/?x=$1")),
        "{environ:?}"
    );
    assert_eq!(cat(&node, "box", "/run/key").await, key);
    let conf = cat(&node, "box", "/etc/box/box.conf").await;
    assert!(conf.ends_with(&format!("\npass={key}\n")), "{conf}");
    let auth = conf.lines().next().expect("a line");
    let (salt, hash) = auth
        .strip_prefix("auth=me:")
        .and_then(|auth| auth.split_once('$'))
        .expect("salt and hash");
    assert!((salt.len(), hash.len()) == (32, 64), "{auth}");
    let create = node
        .podman
        .calls()
        .into_iter()
        .find(|args| args[0] == "create");
    let create = create.expect("it was made");
    let option = "--secret=box.box-key,type=mount,target=/run/key,uid=1000,gid=1001,mode=0440";
    assert!(create.iter().any(|arg| arg == option), "{create:?}");
    assert_eq!(
        podman_secrets(&node).await,
        ["box.box-key", "box.conf", "box.url"]
    );
    assert_eq!(
        secret_files(&node),
        ["box-key", "rpc-token"],
        "no rendered text is left"
    );
}

/// All that is seen of a node from outside its secrets: calls, state files, answers and log.
#[tokio::test(start_paused = true)]
async fn a_secret_is_in_no_argument_answer_error_state_file_or_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut node = Node::new().await;
    let mut answers: Vec<Value> = Vec::new();
    node.app("box", "serve 1", ALL_WAYS);
    let mut keys = Vec::new();
    node.install("box").await;
    keys.push(secret(&node, "box-key"));
    for (method, params) in [
        ("package.list", json!({})),
        ("container.list", json!({})),
        ("catalog.list", json!({})),
        ("system.health", json!({})),
        ("package.stop", json!({ "id": "box" })),
        ("package.restart", json!({ "id": "box" })),
        ("container.logs", json!({ "name": "box" })),
    ] {
        answers.push(node.rpc(method, params).await.expect("an answer"));
    }
    // It is made anew: the texts are rendered again.
    node.podman(&["rm", "--force", "box"]).await;
    node.look_and_wait(std::time::Duration::from_secs(300))
        .await;
    assert!(node.is_running("box"));
    // Errors of all kinds: of podman, of a start, of a template that cannot be rendered.
    node.podman.fail_start("box", 1);
    answers.push(
        node.rpc("package.restart", json!({ "id": "box" }))
            .await
            .expect_err("fails"),
    );
    node.rpc("package.uninstall", json!({ "id": "box" }))
        .await
        .expect("removed");
    let other = node.state_file("other");
    std::fs::write(&other, "somebody else's").expect("written");
    let other = other.display().to_string();
    node.podman(&["secret", "create", "box.url", &other]).await;
    answers.push(
        node.rpc("package.install", json!({ "id": "box" }))
            .await
            .expect_err("taken"),
    );
    let long = "x".repeat(80);
    std::fs::write(node.state_file("secrets/long"), &long).expect("written");
    keys.push(long);
    node.app("long", "serve 1", "secrets = [{ name = \"long\", env = \"A\" }, { name = \"b\", env = \"B\", template = \"${bcrypt:long}\" }]");
    answers.push(
        node.rpc("package.install", json!({ "id": "long" }))
            .await
            .expect_err("too long"),
    );
    node.kill_daemon().await;
    node.start_daemon().await;

    let calls = format!("{:?}", node.podman.calls());
    let log = log.text();
    assert!(
        calls.contains("box.url") && log.contains("box"),
        "something was seen"
    );
    let mut seen = vec![
        ("calls", calls),
        ("answers", format!("{answers:?}")),
        ("log", log),
    ];
    for folder in ["", "packages"] {
        for entry in std::fs::read_dir(node.state_file(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let bytes = std::fs::read(&path).expect("a state file");
                seen.push(("a state file", String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    for key in keys {
        for (place, text) in &seen {
            assert!(
                !text.contains(&key),
                "the secret `{key}` is in {place}: {text}"
            );
        }
    }
}

/// Two packages: one has the secret and data, the other one uses it.
async fn maker_and_user() -> Node {
    let node = Node::new().await;
    let head = |id: &str, line: &str, more: &str| {
        let text = container(id, "serve 1", more);
        node.manifest(id, &format!("{line}\n{text}"));
    };
    head(
        "maker",
        "secrets = [\"pw\"]",
        "volumes = [{ name = \"data\", path = \"/d\" }]\nsecrets = [{ name = \"conf\", file = \"/conf\", template = \"${secret:pw}\" }]",
    );
    head(
        "user",
        "shared_secrets = [\"pw\"]",
        "depends_on = [\"maker\"]\nsecrets = [{ name = \"pw\", env = \"PW\" }]",
    );
    node.install("maker").await;
    node.install("user").await;
    node
}

async fn uninstall(node: &Node, id: &str, more: Value) {
    let mut params = json!({ "id": id });
    for (key, value) in more.as_object().into_iter().flatten() {
        params[key] = value.clone();
    }
    let gone = node.rpc("package.uninstall", params).await;
    assert!(gone.is_ok(), "{id}: {gone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shared_secret_stays_with_the_package_that_has_it() {
    let node = maker_and_user().await;
    let pw = secret(&node, "pw");
    assert!(
        cat(&node, "user", "/proc/1/environ")
            .await
            .contains(&format!("PW={pw}"))
    );
    assert_eq!(cat(&node, "maker", "/conf").await, pw);
    assert_eq!(podman_secrets(&node).await, ["maker.conf", "user.pw"]);
    uninstall(&node, "user", json!({})).await;
    assert_eq!(podman_secrets(&node).await, ["maker.conf"]);
    assert_eq!(secret(&node, "pw"), pw);
    // It can be started again: a start reads its secrets.
    node.rpc("package.restart", json!({ "id": "maker" }))
        .await
        .expect("restarted");
    uninstall(&node, "maker", json!({})).await;
    assert_eq!(secret_files(&node), ["rpc-token"]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_another_package_uses_outlives_its_maker_and_goes_with_the_last() {
    let node = maker_and_user().await;
    let pw = secret(&node, "pw");
    uninstall(&node, "maker", json!({ "force": true })).await;
    assert_eq!(secret(&node, "pw"), pw);
    assert_eq!(podman_secrets(&node).await, ["user.pw"]);
    uninstall(&node, "user", json!({})).await;
    assert_eq!(secret_files(&node), ["rpc-token"]);
}

#[tokio::test(start_paused = true)]
async fn the_secret_of_kept_data_is_kept_from_other_uninstalls_too() {
    let node = maker_and_user().await;
    let pw = secret(&node, "pw");
    uninstall(&node, "maker", json!({ "force": true, "keepData": true })).await;
    uninstall(&node, "user", json!({})).await;
    assert_eq!(secret(&node, "pw"), pw, "the kept volume was made with it");
    node.install("maker").await;
    assert_eq!(cat(&node, "maker", "/conf").await, pw);
    uninstall(&node, "maker", json!({})).await;
    assert_eq!(secret_files(&node), ["rpc-token"]);
}

#[tokio::test(start_paused = true)]
async fn a_shared_secret_is_never_made_by_who_only_uses_it() {
    let node = maker_and_user().await;
    uninstall(&node, "user", json!({})).await;
    std::fs::remove_file(node.state_file("secrets/pw")).expect("lost");
    let error = node
        .rpc("package.install", json!({ "id": "user" }))
        .await
        .expect_err("refused");
    assert_eq!(error["code"], -32019, "{error}");
    assert_eq!(error["data"]["secret"], "pw");
    assert_eq!(secret_files(&node), ["rpc-token"]);
    std::fs::write(node.state_file("secrets/pw"), "\n").expect("empty");
    let error = node
        .rpc("package.install", json!({ "id": "user" }))
        .await
        .expect_err("refused");
    assert_eq!(error["code"], -32019, "{error}");
    assert_eq!(node.package("user").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_newline_at_the_end_of_a_secret_file_is_no_part_of_it() {
    let node = Node::new().await;
    std::fs::write(node.state_file("secrets/pw"), "mine\n").expect("written");
    node.app(
        "box",
        "serve 1",
        "secrets = [{ name = \"pw\", env = \"PW\" }]",
    );
    node.install("box").await;
    let environ = cat(&node, "box", "/proc/1/environ").await;
    assert!(
        environ.split('\0').any(|variable| variable == "PW=mine"),
        "{environ:?}"
    );
}

/// podman 4.3 has no labels on secrets, and takes names of 64 characters at most.
#[tokio::test(start_paused = true)]
async fn it_is_the_same_on_podman_4() {
    let node = Node::on(4, 3, 1).await;
    node.app("box", "serve 1", ALL_WAYS);
    node.install("box").await;
    assert_eq!(podman_secrets(&node).await.len(), 3);
    uninstall(&node, "box", json!({})).await;
    assert_eq!(podman_secrets(&node).await, [""; 0]);
    let long = "a".repeat(40);
    node.app(
        &long,
        "serve 1",
        "secrets = [{ name = \"b234567890123456789012345\", env = \"B\" }]",
    );
    let error = node
        .rpc("package.install", json!({ "id": long }))
        .await
        .expect_err("refused before podman is asked");
    assert_eq!(error["data"]["kind"], "bad manifest", "{error}");
}
