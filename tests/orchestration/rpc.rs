//! The service itself.

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
