//! Stands in for an engine that withholds privileges: a socket in front of the real one. dockerd with user namespaces or an
//! authorisation plugin refuses; a rootless or confined engine grants in name only.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::stage::host_endpoint;

/// What becomes of a wish for privileges.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    /// The request is refused.
    Refused,
    /// The container runs without them.
    Unheard,
}

/// Listens at `folder/engine.sock` for as long as the runtime lives; the endpoint.
pub(crate) fn listen(folder: &Path, wish: Wish) -> anyhow::Result<String> {
    let endpoint = host_endpoint()?;
    let engine: PathBuf = endpoint
        .0
        .strip_prefix("unix://")
        .context("the engine of the tests listens on no socket")?
        .into();
    let socket = folder.join("engine.sock");
    let listener = UnixListener::bind(&socket)?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let engine = engine.clone();
            tokio::spawn(async move {
                // An end on either side ends the other; nobody is left to be told of an error.
                let _ended = serve(client, &engine, wish).await;
            });
        }
    });
    Ok(format!("unix://{}", socket.display()))
}

async fn serve(client: UnixStream, engine: &Path, wish: Wish) -> std::io::Result<()> {
    let (mut answers, mut to_engine) = UnixStream::connect(engine).await?.into_split();
    let (mut requests, mut to_client) = client.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut to_client).await });
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = requests.read(&mut buffer).await?;
        if count == 0 {
            // Half-closed: an attached exec ends its input so.
            to_engine.shutdown().await?;
            back.await??;
            return Ok(());
        }
        let request = String::from_utf8_lossy(&buffer[..count]);
        if !(request.starts_with("POST") && request.contains("/containers/create")) {
            to_engine.write_all(&buffer[..count]).await?;
            continue;
        }
        match wish {
            // As long as before, so the length in the header stays true.
            Wish::Unheard => {
                let heard = request.replace(r#""Privileged":true"#, r#""Privileged":null"#);
                to_engine.write_all(heard.as_bytes()).await?;
            }
            Wish::Refused => {
                // An action that the engine refuses by itself: a name that is none.
                let refused = request.replacen("/containers/create", "/containers/refuse", 1);
                to_engine.write_all(refused.as_bytes()).await?;
            }
        }
    }
}
