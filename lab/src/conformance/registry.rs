//! A registry on `localhost:5001` that answers as it is told, which is mostly badly.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Where it listens, on both loopbacks.
pub(super) const PORT: u16 = 5001;
/// Its name in references.
pub(super) const HOST: &str = "localhost:5001";

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing listens.
    Down,
    /// It takes requests and never answers.
    Hangs,
    /// It closes in the middle of a manifest.
    Cut,
    /// With a status and the error that belongs to it.
    Status(Status),
}

/// A status, its reason phrase, and the code and message of the error in its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    code: u16,
    reason: &'static str,
    error: &'static str,
    message: &'static str,
    detail: Option<&'static str>,
    /// Whether `/v2/`, by which clients look whether it is a registry at all, answers so as well.
    everywhere: bool,
}

const STATUSES: [Status; 6] = [
    Status {
        code: 401,
        reason: "Unauthorized",
        error: "UNAUTHORIZED",
        message: "authentication required",
        detail: Some("pull"),
        everywhere: true,
    },
    Status {
        code: 403,
        reason: "Forbidden",
        error: "DENIED",
        message: "m",
        detail: None,
        everywhere: false,
    },
    Status {
        code: 404,
        reason: "Not Found",
        error: "MANIFEST_UNKNOWN",
        message: "manifest unknown",
        detail: Some("unknown tag=1"),
        everywhere: false,
    },
    Status {
        code: 429,
        reason: "Too Many Requests",
        error: "TOOMANYREQUESTS",
        message: "m",
        detail: None,
        everywhere: true,
    },
    Status {
        code: 500,
        reason: "Internal Server Error",
        error: "UNKNOWN",
        message: "m",
        detail: None,
        everywhere: true,
    },
    Status {
        code: 503,
        reason: "Service Unavailable",
        error: "UNAVAILABLE",
        message: "m",
        detail: None,
        everywhere: true,
    },
];

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "down" => Ok(Self::Down),
            "hangs" => Ok(Self::Hangs),
            "cut" => Ok(Self::Cut),
            status => STATUSES
                .into_iter()
                .find(|known| known.code.to_string() == status)
                .map(Self::Status)
                .ok_or_else(|| {
                    format!("`{status}` is no answer: use down, hangs, cut, 401, 403, 404, 429, 500 or 503")
                }),
        }
    }
}

/// What is sent for a request of this path, before the connection is closed; none: nothing ever.
fn reply(answer: Answer, path: &str) -> Option<String> {
    let ping = path == "/v2/" || path == "/v2";
    let head = |code: u16, reason: &str, more: &str, length: usize| {
        format!(
            "HTTP/1.1 {code} {reason}\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    match answer {
        Answer::Down | Answer::Hangs => None,
        Answer::Cut if !ping => Some(head(200, "OK", "", 500) + "{\"schemaVersion\": 2,"),
        Answer::Status(status) if status.everywhere || !ping => {
            let mut error = serde_json::json!({ "code": status.error, "message": status.message });
            // Registries say what exactly is meant, and podman then prints the message besides the code.
            if let Some(detail) = status.detail {
                error["detail"] = detail.into();
            }
            let body = serde_json::json!({ "errors": [error] }).to_string();
            let more = match status.code {
                401 => "WWW-Authenticate: Basic realm=\"x\"\r\n",
                _ => "",
            };
            Some(head(status.code, status.reason, more, body.len()) + &body)
        }
        Answer::Cut | Answer::Status(_) => Some(head(200, "OK", "", 2) + "{}"),
    }
}

/// It listens until it is dropped.
#[derive(Debug)]
pub(super) struct Registry {
    _tasks: JoinSet<()>,
}

impl Registry {
    /// Listens on both loopbacks; on the old one alone where there is no other.
    pub(super) async fn listen(answer: Answer, port: u16) -> std::io::Result<Self> {
        let mut tasks = JoinSet::new();
        let v4 = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        tasks.spawn(serve(v4, answer));
        if let Ok(v6) = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
            tasks.spawn(serve(v6, answer));
        }
        Ok(Self { _tasks: tasks })
    }
}

async fn serve(listener: TcpListener, answer: Answer) {
    // Dropped with the listener: no connection outlives it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(async move {
            // A client that goes away is its own affair.
            let _gone = converse(stream, answer).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(mut stream: TcpStream, answer: Answer) -> std::io::Result<()> {
    if answer == Answer::Hangs {
        return std::future::pending().await;
    }
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..count]);
        if request.first() == Some(&0x16) {
            // A TLS greeting: plain HTTP is what a server without TLS says to it.
            stream
                .write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent TLS.\n")
                .await?;
            return stream.shutdown().await;
        }
        if count == 0 || request.len() > 64 * 1024 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default();
    if let Some(reply) = reply(answer, path) {
        stream.write_all(reply.as_bytes()).await?;
        stream.shutdown().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_a_name_and_others_have_none() {
        for name in [
            "down", "hangs", "cut", "401", "403", "404", "429", "500", "503",
        ] {
            assert!(name.parse::<Answer>().is_ok(), "{name}");
        }
        let error = "418".parse::<Answer>().unwrap_err();
        assert!(error.contains("418") && error.contains("429"), "{error}");
    }

    #[test]
    fn a_client_sees_a_registry_and_is_then_refused() {
        let denied = "403".parse().unwrap();
        assert!(
            reply(denied, "/v2/")
                .unwrap()
                .starts_with("HTTP/1.1 200 OK")
        );
        let refused = reply(denied, "/v2/app/manifests/1").unwrap();
        assert!(refused.starts_with("HTTP/1.1 403 Forbidden"), "{refused}");
        assert!(
            refused.ends_with(r#"{"errors":[{"code":"DENIED","message":"m"}]}"#),
            "{refused}"
        );
    }

    #[test]
    fn a_client_without_credentials_is_told_which_to_bring() {
        let asked = reply("401".parse().unwrap(), "/v2/").unwrap();
        assert!(
            asked.contains("WWW-Authenticate: Basic realm=\"x\"\r\n"),
            "{asked}"
        );
    }

    #[test]
    fn an_answer_that_is_cut_is_shorter_than_it_says() {
        let cut = reply(Answer::Cut, "/v2/app/manifests/1").unwrap();
        let (head, body) = cut.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("Content-Length: 500") && body.len() < 500,
            "{cut}"
        );
    }

    #[tokio::test]
    async fn it_answers_on_loopback_and_is_gone_when_dropped() {
        let port = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let registry = Registry::listen("503".parse().unwrap(), port)
            .await
            .unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(b"GET /v2/ HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(
            text.starts_with("HTTP/1.1 503 Service Unavailable"),
            "{text}"
        );
        drop(registry);
        // Aborted tasks are dropped when the runtime comes to them.
        let gone = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), gone)
            .await
            .unwrap();
    }
}
