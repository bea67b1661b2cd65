//! The server over TCP: slow, many and foreign callers.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::node::Node;

/// Runs `client` against the daemon's server.
async fn against<T>(node: &Node, client: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::select! {
        () = node.daemon().serve(listener) => panic!("the server ended"),
        result = client(address) => result,
    }
}

/// Sends these bytes and reads until the server closes.
async fn send(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .expect("an answer, or an end");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(start_paused = true)]
async fn answers_carry_the_headers_that_keep_browsers_in_check() {
    let node = Node::new().await;
    for path in ["/health", "/rpc/v1/schema", "/no/such/page"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
        let answer = against(&node, async |address| send(address, &request).await).await;
        let head = answer.split("\r\n\r\n").next().expect("a head");
        for header in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(
                head.contains(header),
                "{path}: {header} is missing in {head}"
            );
        }
        assert!(!head.contains("access-control"), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_slowly_is_sent_away() {
    let node = Node::new().await;
    let before = Instant::now();
    let head = against(&node, async |address| {
        send(address, "POST /rpc/v1 HT").await
    })
    .await;
    assert!(!head.contains("200 OK"), "{head}");
    assert!(
        before.elapsed() <= Duration::from_secs(16),
        "{:?}",
        before.elapsed()
    );

    let request = format!(
        "POST /rpc/v1 HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: {}\r\ncontent-length: 100\r\n\r\n{{",
        node.bearer()
    );
    let before = Instant::now();
    let body = against(&node, async |address| send(address, &request).await).await;
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    assert!(
        before.elapsed() <= Duration::from_secs(16),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_are_told_to_come_back() {
    let node = Node::new().await;
    node.hangs.store(true, Ordering::Relaxed);
    let bearer = node.bearer();
    let auth = [("authorization", bearer.as_str())];
    let call = || node.post("{\"method\":\"package.list\"}", &auth);
    let answers = futures_util::future::join_all((0..70).map(|_| call())).await;
    let refused: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status == 503)
        .collect();
    assert_eq!(refused.len(), 6, "{answers:?}");
    let text = refused[0].1.as_str().expect("a text");
    assert!(text.contains("try again later"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_connections_that_are_kept_open() {
    let node = Node::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let before = Instant::now();
    let client = async {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = "GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut some = [0; 12];
        stream.read_exact(&mut some).await.expect("an answer");
        assert_eq!(&some, b"HTTP/1.1 200");
        node.daemon().shutdown().await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("an end");
    };
    tokio::join!(node.daemon().serve(listener), client);
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "{:?}",
        before.elapsed()
    );
}
