//! archipelago on the node, reached through ssh.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::error::NodeError;
use super::ssh::Session;
use crate::http;

/// The port archipelago listens on.
const PORT: u16 = 5678;
const HOST: &str = "127.0.0.1:5678";
const TOKEN: &str = "/var/lib/archipelago/secrets/rpc-token";
/// JSON-RPC's code.
const NO_SUCH_METHOD: i64 = -32601;
/// How long it may take to come up.
const ANSWER: Duration = Duration::from_secs(20);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a call may take: an install pulls, starts and watches.
const CALL: Duration = Duration::from_secs(150);

#[derive(Clone)]
pub(crate) struct Api {
    session: Arc<Session>,
    token: String,
    version: String,
}

impl Api {
    /// Waits until it answers; asks it nothing that changes anything.
    pub(crate) async fn open(session: Arc<Session>) -> Result<Self, NodeError> {
        let output = session.run("read the token", &["cat", TOKEN], b"").await?;
        let token = output.stdout.trim().to_owned();
        if output.code != 0 || token.is_empty() {
            let said = match output.code {
                0 => "The file is empty.".to_owned(),
                _ => output.stderr.trim().to_owned(),
            };
            return Err(NodeError::NoToken { path: TOKEN, said });
        }
        let mut api = Self {
            session,
            token,
            version: "(of unknown version)".to_owned(),
        };
        api.until_it_answers().await?;
        let version = api.result("system.version", json!({})).await?;
        api.version = version["archipelago"].as_str().unwrap_or("?").to_owned();
        Ok(api)
    }

    /// Waits until archipelago answers.
    pub(crate) async fn until_it_answers(&self) -> Result<(), NodeError> {
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.call("system.health", json!({})).await {
                Err(NodeError::NoAnswer(last)) if Instant::now() > deadline => {
                    return Err(NodeError::NoAnswer(last));
                }
                Err(NodeError::NoAnswer(_)) => tokio::time::sleep(AGAIN).await,
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// A call; the inner result is what archipelago answered.
    pub(crate) async fn call(
        &self,
        method: &str,
        params: Value,
    ) -> Result<Result<Value, Value>, NodeError> {
        let doing = format!("answer {method}");
        let bad = |said| NodeError::BadAnswer {
            method: method.to_owned(),
            said,
        };
        let request = http::call(HOST, &self.token, method, &params).map_err(bad)?;
        let exchange = async {
            let answer = http::send(self.connect(PORT).await?, request).await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return Err(self.silence(&doing, error).await),
            };
            match http::result_of(answer).await {
                Ok(result) => Ok(result),
                Err(_) if self.session.is_lost().await => Err(NodeError::Lost {
                    doing: doing.clone(),
                }),
                Err(said) => Err(bad(said)),
            }
        };
        let result = in_time(&doing, exchange).await?;
        match &result {
            Err(error) if error["code"] == NO_SUCH_METHOD => Err(NodeError::TooOld {
                version: self.version.clone(),
                method: method.to_owned(),
            }),
            Ok(_) | Err(_) => Ok(result),
        }
    }

    /// A call that has to be answered with a result.
    pub(crate) async fn result(&self, method: &str, params: Value) -> Result<Value, NodeError> {
        let result = self.call(method, params).await?;
        result.map_err(|error| NodeError::Refused {
            method: method.to_owned(),
            error,
        })
    }

    /// `GET path` of archipelago's service.
    pub(crate) async fn open_path(&self, path: &str) -> Result<(u16, Body), NodeError> {
        self.get(PORT, HOST, Some(&self.token), path).await
    }

    /// The status of `GET path` from whatever listens on a port of the node.
    pub(crate) async fn status_of(&self, port: u16, path: &str) -> Result<u16, NodeError> {
        let host = format!("127.0.0.1:{port}");
        Ok(self.get(port, &host, None, path).await?.0)
    }

    async fn get(
        &self,
        port: u16,
        host: &str,
        token: Option<&str>,
        path: &str,
    ) -> Result<(u16, Body), NodeError> {
        let doing = format!("answer GET {path} on port {port}");
        let request = http::get(host, token, path).map_err(|said| NodeError::BadAnswer {
            method: path.to_owned(),
            said,
        })?;
        in_time(&doing, async {
            match http::send(self.connect(port).await?, request).await {
                Ok(answer) => Ok((answer.status().as_u16(), answer.into_body())),
                Err(error) => Err(self.silence(&doing, error).await),
            }
        })
        .await
    }

    async fn connect(&self, port: u16) -> Result<UnixStream, NodeError> {
        let socket = self.session.forward(port).await?;
        match UnixStream::connect(&socket).await {
            Ok(stream) => Ok(stream),
            Err(error) => Err(self.silence("connect", error.to_string()).await),
        }
    }

    /// What it means that nothing came back.
    async fn silence(&self, doing: &str, error: String) -> NodeError {
        if self.session.is_lost().await {
            NodeError::Lost {
                doing: doing.to_owned(),
            }
        } else {
            NodeError::NoAnswer(error)
        }
    }
}

async fn in_time<T>(
    doing: &str,
    work: impl Future<Output = Result<T, NodeError>>,
) -> Result<T, NodeError> {
    let late = |_| NodeError::Late {
        doing: doing.to_owned(),
        secs: CALL.as_secs(),
    };
    tokio::time::timeout(CALL, work).await.map_err(late)?
}
