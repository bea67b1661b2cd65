//! The service itself.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::node::Node;

#[tokio::test(start_paused = true)]
async fn without_the_token_nothing_is_done_and_the_text_says_where_it_is() {
    let node = Node::new().await;
    let (status, text) = node.post("{\"method\":\"package.list\"}", &[]).await;
    assert_eq!(status, 401);
    assert!(
        text.as_str()
            .is_some_and(|text| text.contains("secrets/rpc-token")),
        "{text}"
    );
    let (status, _) = node
        .post(
            "{\"method\":\"package.list\"}",
            &[("authorization", "Bearer wrong")],
        )
        .await;
    assert_eq!(status, 401);
}

#[tokio::test(start_paused = true)]
async fn the_token_survives_a_restart() {
    let mut node = Node::new().await;
    let token = node.daemon().token().to_owned();
    node.shutdown().await;
    node.start_daemon().await;
    assert_eq!(node.daemon().token(), token);
}

#[tokio::test(start_paused = true)]
async fn bad_calls_have_the_standard_codes() {
    let node = Node::new().await;
    let bearer = node.bearer();
    let auth = [("authorization", bearer.as_str())];
    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("7", -32600),
        ("{\"method\":7}", -32600),
        ("{\"jsonrpc\":\"1.0\",\"method\":\"package.list\"}", -32600),
        ("{\"method\":\"package.lits\"}", -32601),
        ("{\"method\":\"package.install\"}", -32602),
        (
            "{\"method\":\"package.install\",\"params\":{\"id\":7}}",
            -32602,
        ),
        ("{\"method\":\"package.list\",\"params\":{\"x\":7}}", -32602),
        ("{\"method\":\"package.list\",\"params\":[1]}", -32600),
        (
            "{\"method\":\"container.logs\",\"params\":{\"name\":\"-x\"}}",
            -32018,
        ),
    ] {
        let (status, answer) = node.post(body, &auth).await;
        assert_eq!(
            (status, answer["error"]["code"].as_i64()),
            (200, Some(code)),
            "{body}: {answer}"
        );
    }
    let many = format!(
        "[{}]",
        vec!["{\"method\":\"system.health\"}"; 1000].join(",")
    );
    assert_eq!(node.post(&many, &auth).await.1["error"]["code"], -32600);
    let (status, _) = node.post(&" ".repeat(2 << 20), &auth).await;
    assert_eq!(status, 413);
    let (status, _) = node
        .post(
            "{\"method\":\"system.health\"}",
            &[auth[0], ("host", "evil.example")],
        )
        .await;
    assert_eq!(status, 403);
}

#[tokio::test(start_paused = true)]
async fn batches_and_calls_without_id_are_answered() {
    let node = Node::new().await;
    let bearer = node.bearer();
    let body =
        "[{\"method\":\"system.health\"},{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"method\":\"no\"}]";
    let (_, answer) = node.post(body, &[("authorization", &bearer)]).await;
    assert_eq!(answer[0]["id"], json!(null));
    assert_eq!(answer[0]["result"]["status"], "ok");
    assert_eq!(
        (&answer[1]["id"], &answer[1]["error"]["code"]),
        (&json!("b"), &json!(-32601))
    );
}

#[tokio::test(start_paused = true)]
async fn logs_are_given_for_containers_of_packages_only() {
    let node = Node::new().await;
    node.podman(&[
        "run",
        "-d",
        "--name=stranger",
        super::node::IMAGE,
        "serve",
        "9",
    ])
    .await;
    node.app("echo", "serve 8080", "");
    node.install("echo").await;
    let logs = node
        .rpc("container.logs", json!({ "name": "echo", "tail": 5 }))
        .await
        .expect("logs");
    assert_eq!(logs["lines"], json!(["serving on 8080"]));
    assert!(
        node.rpc("container.logs", json!({ "name": "stranger" }))
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_named() {
    let node = Node::new().await;
    for (method, params, code, words) in [
        (
            "package.install",
            json!({ "ids": "x" }),
            -32602,
            "did you mean `id`?",
        ),
        (
            "package.install",
            json!({ "id": 7 }),
            -32602,
            "`id`: invalid type",
        ),
        ("package.install", json!({}), -32602, "missing field `id`"),
        (
            "container.logs",
            json!({ "name": "x", "tail": -1 }),
            -32602,
            "`tail`: invalid value",
        ),
        (
            "system.version",
            json!({ "id": 7 }),
            -32602,
            "`system.version` has none",
        ),
        (
            "package.lits",
            json!({}),
            -32601,
            "did you mean `package.list`?",
        ),
    ] {
        let error = node.rpc(method, params.clone()).await.expect_err(method);
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            error["code"] == code && message.contains(words),
            "{method} {params}: {error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_names_are_unknown_and_reach_no_command() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "");
    let before = node.podman.calls().len();
    let long = "x".repeat(300);
    for name in [
        "-x", "--all", "../echo", "a b", "", "echo\0", "echo;ls", "Echo", &long,
    ] {
        let id = json!({ "id": name });
        for method in [
            "package.install",
            "package.update",
            "package.start",
            "package.stop",
            "package.restart",
            "package.uninstall",
        ] {
            let error = node.rpc(method, id.clone()).await.expect_err(name);
            let code = error["code"].as_i64().unwrap_or_default();
            assert!(
                [-32010, -32011].contains(&code),
                "{method} {name:?}: {error}"
            );
            let message = error["message"].as_str().expect("a text");
            assert!(message.len() < 300, "{message}");
        }
        for method in ["container.logs", "container.health"] {
            let error = node.rpc(method, json!({ "name": name })).await;
            assert_eq!(error.expect_err(name)["code"], -32018, "{method} {name:?}");
        }
    }
    let calls = node.podman.calls();
    let named = calls[before..].iter().flatten().find(|arg| {
        ["-x", "../", "a b", "\0", ";", "Echo", &long]
            .iter()
            .any(|part| arg.contains(part))
    });
    assert_eq!(named, None);
    node.install("echo").await;
}

#[tokio::test(start_paused = true)]
async fn deep_json_is_refused_and_a_large_id_is_given_back() {
    let node = Node::new().await;
    let bearer = node.bearer();
    let auth = [("authorization", bearer.as_str())];
    let deep = format!(
        "{{\"method\":\"package.list\",\"params\":{}",
        "[".repeat(100_000)
    );
    assert_eq!(node.post(&deep, &auth).await.1["error"]["code"], -32700);
    let id = "x".repeat(100_000);
    let body = json!({ "method": "system.health", "id": id }).to_string();
    assert_eq!(node.post(&body, &auth).await.1["id"], json!(id));
}

#[tokio::test(start_paused = true)]
async fn a_podman_that_hangs_does_not_hang_those_who_ask() {
    let node = Node::new().await;
    node.hangs.store(true, Ordering::Relaxed);
    let before = tokio::time::Instant::now();
    let error = node
        .rpc("package.list", json!({}))
        .await
        .expect_err("hangs");
    assert!(
        [-32030, -32032]
            .map(|code| json!(code))
            .contains(&error["code"]),
        "{error}"
    );
    assert!(before.elapsed().as_secs() <= 31, "{:?}", before.elapsed());
    assert_eq!(
        node.rpc("system.health", json!({})).await.expect("answers")["status"],
        "podman failed"
    );
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_not_kept_waiting_by_a_slow_podman_and_who_installs_is() {
    let node = Node::new().await;
    node.app("echo", "serve 8080", "");
    node.install("echo").await;
    // What changed is inspected after the list.
    node.podman.kill_process("echo");
    node.slowness.store(28, Ordering::Relaxed);
    let before = tokio::time::Instant::now();
    let error = node.rpc("container.logs", json!({ "name": "echo" })).await;
    let error = error.expect_err("two commands of 28 s");
    assert_eq!(
        (&error["code"], &error["data"]["limit_secs"]),
        (&json!(-32032), &json!(45))
    );
    assert_eq!(before.elapsed().as_secs(), 45);
    let before = tokio::time::Instant::now();
    let stopped = node.rpc("package.stop", json!({ "id": "echo" })).await;
    assert!(
        stopped.is_ok() && before.elapsed().as_secs() > 45,
        "{stopped:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_file_that_is_empty_is_made_anew_and_one_that_is_no_token_is_refused() {
    let mut node = Node::new().await;
    let file = node.state_file("secrets/rpc-token");
    let token = node.daemon().token().to_owned();
    node.shutdown().await;
    std::fs::write(&file, " \n").expect("written");
    node.start_daemon().await;
    let made = node.daemon().token().to_owned();
    assert!(made != token && made.len() >= 32, "{made}");
    node.shutdown().await;

    std::fs::write(&file, "  chosen-by-hand\n").expect("written");
    node.start_daemon().await;
    assert_eq!(node.daemon().token(), "chosen-by-hand");
    node.shutdown().await;

    for bad in ["two words", "two\nlines", "umläut"] {
        std::fs::write(&file, bad).expect("written");
        let Err(error) = node.try_daemon() else {
            panic!("{bad:?} is no token");
        };
        let text = archipelago::package::chain(&error);
        assert!(
            text.contains("rpc-token") && text.contains("visible ASCII"),
            "{text}"
        );
        assert_eq!(std::fs::read_to_string(&file).expect("there"), bad);
    }
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("a folder in its place");
    let Err(error) = node.try_daemon() else {
        panic!("a folder is no token");
    };
    assert!(archipelago::package::chain(&error).contains("rpc-token"));
}
