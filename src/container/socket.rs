//! podman's REST service over its unix socket: a thin HTTP client.
//!
//! One connection a call. The service answers with the same JSON as the command line, so the same parsers read it; what
//! differs is in [`rest`]. It is only asked, and told to pull: whatever changes containers goes over the command line.

pub(crate) mod rest;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the service may take for an answer, and for the head of a stream.
const LIMIT: Duration = Duration::from_secs(30);
/// A line of a stream that is longer than so many bytes is no line of podman's.
const LONGEST_LINE: usize = 1 << 20;

/// The service was not heard to the end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// Nobody listens.
    #[error("cannot reach podman's socket `{}`", path.display())]
    Unreachable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The connection broke, or what came over it is no HTTP.
    #[error("the connection to podman's socket broke")]
    Broken { source: hyper::Error },
    /// The path is none.
    #[error("podman's socket cannot be asked for `{path}`")]
    BadPath {
        path: String,
        source: hyper::http::Error,
    },
    /// It took too long.
    #[error("podman's socket did not answer within {LIMIT:?}")]
    TimedOut,
    /// It says no.
    #[error("podman's socket answered with status {status}: {message}")]
    Refused { status: u16, message: String },
    /// It sent an endless line.
    #[error("podman's socket sent a line of more than {LONGEST_LINE} bytes")]
    EndlessLine,
}

/// podman's service at a socket.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    /// The last call was not answered, and that has been logged.
    is_silent: AtomicBool,
}

/// An answer under way; dropping it ends the connection.
struct Exchange {
    response: Response<Incoming>,
    /// Drives the connection.
    _driver: JoinSet<()>,
}

impl Socket {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            is_silent: AtomicBool::new(false),
        }
    }

    /// Asks for `path`, which has its query with it; the whole body of a 200.
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>, SocketError> {
        let ask = async {
            let exchange = self.send(Method::GET, path).await?;
            let status = exchange.response.status();
            let body = exchange.response.into_body().collect().await;
            let body = body.map_err(|source| SocketError::Broken { source })?;
            let body = body.to_bytes();
            if status == StatusCode::OK {
                Ok(body.to_vec())
            } else {
                Err(refused(status, &body))
            }
        };
        timeout(LIMIT, ask)
            .await
            .unwrap_or(Err(SocketError::TimedOut))
    }

    /// Asks for `path` and gives each line of a 200 while it comes, until the service ends the answer. `on_line` is told
    /// `None` once, when the service begins to answer.
    pub(crate) async fn lines(
        &self,
        method: Method,
        path: &str,
        on_line: &mut (dyn FnMut(Option<&str>) + Send),
    ) -> Result<(), SocketError> {
        let mut exchange = timeout(LIMIT, self.send(method, path))
            .await
            .unwrap_or(Err(SocketError::TimedOut))?;
        let status = exchange.response.status();
        if status != StatusCode::OK {
            let body = timeout(LIMIT, exchange.response.into_body().collect()).await;
            let body = body
                .map_err(|_| SocketError::TimedOut)?
                .map_err(|source| SocketError::Broken { source })?;
            return Err(refused(status, &body.to_bytes()));
        }
        on_line(None);
        let mut rest: Vec<u8> = Vec::new();
        while let Some(frame) = exchange.response.body_mut().frame().await {
            let frame = frame.map_err(|source| SocketError::Broken { source })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            rest.extend_from_slice(&data);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                on_line(Some(String::from_utf8_lossy(&line).trim()));
            }
            if rest.len() > LONGEST_LINE {
                return Err(SocketError::EndlessLine);
            }
        }
        if !rest.is_empty() {
            on_line(Some(String::from_utf8_lossy(&rest).trim()));
        }
        Ok(())
    }

    async fn send(&self, method: Method, path: &str) -> Result<Exchange, SocketError> {
        let broken = |source| SocketError::Broken { source };
        let stream =
            UnixStream::connect(&self.path)
                .await
                .map_err(|source| SocketError::Unreachable {
                    path: self.path.clone(),
                    source,
                })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ended is seen by whoever reads the answer.
            drop(connection.await);
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            // HTTP wants one, podman does not read it.
            .header("host", "podman")
            .body(Empty::<Bytes>::new())
            .map_err(|source| SocketError::BadPath {
                path: path.to_owned(),
                source,
            })?;
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(Exchange {
            response,
            _driver: driver,
        })
    }

    /// Says once that the command line is used instead, and once that the socket answers again.
    pub(crate) fn note<T>(&self, result: &Result<T, SocketError>) {
        match result {
            // A refusal is an answer.
            Ok(_) | Err(SocketError::Refused { .. }) => {
                if self.is_silent.swap(false, Ordering::Relaxed) {
                    tracing::info!(socket = %self.path.display(), "podman's socket answers again");
                }
            }
            Err(error) => {
                if !self.is_silent.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        error = crate::chain::chain(error),
                        "podman's socket does not answer, its command line is used instead; is podman.socket enabled?"
                    );
                }
            }
        }
    }
}

/// podman's words for a refusal: `message` of a JSON object, else all of the body.
fn refused(status: StatusCode, body: &[u8]) -> SocketError {
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
    }
    let message = serde_json::from_slice::<Said>(body).map_or_else(
        |_| String::from_utf8_lossy(body).trim().to_owned(),
        |said| said.message,
    );
    SocketError::Refused {
        status: status.as_u16(),
        message,
    }
}

/// A value of a query.
pub(crate) struct Encoded<'a>(pub(crate) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    /// A service that answers each connection with the next of `answers` and ends it; the requests' first lines.
    fn service(
        answers: Vec<&'static str>,
    ) -> (
        tempfile::TempDir,
        Socket,
        tokio::task::JoinHandle<Vec<String>>,
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let asked = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.expect("a request");
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                asked.push(text.lines().next().unwrap_or_default().to_owned());
                stream
                    .write_all(answer.as_bytes())
                    .await
                    .expect("it listens");
            }
            asked
        });
        let socket = Socket::new(&path);
        (folder, socket, asked)
    }

    #[tokio::test]
    async fn gives_the_body_or_the_refusal_in_podmans_words() {
        let (_folder, socket, asked) = service(vec![
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 43\r\n\r\n{\"message\":\"no such container\",\"cause\":\"x\"}",
            "HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\noops",
        ]);
        assert_eq!(socket.get("/a?b=%7B").await.expect("a body"), b"[]");
        for (status, message) in [(404, "no such container"), (500, "oops")] {
            match socket.get("/b").await {
                Err(SocketError::Refused {
                    status: found,
                    message: said,
                }) => assert_eq!((found, said.as_str()), (status, message)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(asked.await.expect("no panic")[0], "GET /a?b=%7B HTTP/1.1");
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_are_cut() {
        let (_folder, socket, _asked) = service(vec![
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{\"\r\n6\r\na\":1}\n\r\n4\r\nlast\r\n0\r\n\r\n",
        ]);
        let mut seen = Vec::new();
        socket
            .lines(Method::GET, "/events", &mut |line| {
                seen.push(line.map(str::to_owned));
            })
            .await
            .expect("an end");
        assert_eq!(
            seen,
            [None, Some("{\"a\":1}".to_owned()), Some("last".to_owned())]
        );
    }

    #[tokio::test]
    async fn a_broken_connection_and_a_missing_socket_are_told_apart() {
        let (folder, socket, _asked) = service(vec![
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[",
            "SSH-2.0-OpenSSH\r\n\r\n",
        ]);
        for _ in 0..2 {
            let error = socket.get("/a").await.expect_err("it broke");
            assert!(matches!(error, SocketError::Broken { .. }), "{error:?}");
        }
        let missing = Socket::new(&folder.path().join("none"));
        let error = missing.get("/a").await.expect_err("nobody is there");
        assert!(
            matches!(error, SocketError::Unreachable { .. }),
            "{error:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_service_is_given_up_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("sock");
        let _listener = UnixListener::bind(&path).expect("a socket");
        let error = Socket::new(&path)
            .get("/a")
            .await
            .expect_err("nobody answers");
        assert!(matches!(error, SocketError::TimedOut), "{error:?}");
    }

    #[test]
    fn values_of_queries_are_encoded() {
        assert_eq!(
            Encoded("{\"a\":[\"b/c:1\"]}").to_string(),
            "%7B%22a%22%3A%5B%22b%2Fc%3A1%22%5D%7D"
        );
    }
}
