//! Chromium, driven through chromedriver. Both run in a process group of their own, under a shell that waits for this
//! process: however it ends, they end with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::body::Bytes;
use fantoccini::actions::{Actions, InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long anything may take to be seen on the page.
const SEEN: Duration = Duration::from_secs(15);
/// Between two looks at the page.
const LOOK: Duration = Duration::from_millis(40);
/// How long chromedriver and Chromium may take to start, on a busy machine.
const START: Duration = Duration::from_secs(30);

/// Starts chromedriver, and kills its whole process group when standard input ends: with this process, at the latest.
const KEEPER: &str = r#"chromedriver "$@" & read -r _; kill -KILL 0"#;

/// Why there is no browser here; none where there is one.
pub(crate) fn missing() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there =
        |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    // Fedora's has another name.
    let kinds: [&[&str]; 2] = [&["chromium", "chromium-browser"], &["chromedriver"]];
    kinds
        .into_iter()
        .find(|names| !names.iter().any(&there))
        .map(|names| {
            let name = names[0];
            format!("no `{name}`: install the Debian packages chromium and chromium-driver")
        })
}

/// A fresh browser.
pub(crate) struct Browser {
    client: Client,
    driver: SocketAddr,
    session: String,
    keeper: Child,
    hold: Option<ChildStdin>,
    _folder: tempfile::TempDir,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Browser {
    /// Starts one, 1280 by 900.
    pub(crate) async fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(text)?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", "--port=0"])
            // What a browser keeps beside its profile.
            .env("HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path().join("config"))
            .env("XDG_CACHE_HOME", folder.path().join("cache"))
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("chromedriver does not start: {error}"))?;
        let hold = keeper.stdin.take();
        let stdout = keeper.stdout.take().ok_or("chromedriver has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut said = String::new();
        let port = timeout(START, async {
            while let Some(line) = lines.next_line().await.map_err(text)? {
                let port = line
                    .rsplit_once("on port ")
                    .and_then(|(_, port)| port.trim_end_matches('.').parse::<u16>().ok());
                if let Some(port) = port.filter(|port| *port != 0) {
                    return Ok(port);
                }
                said.push_str(&line);
                said.push('\n');
            }
            Err("chromedriver ended".to_owned())
        })
        .await
        .unwrap_or_else(|_| Err("chromedriver named no port in time".to_owned()))
        .map_err(|error| format!("{error}; it said: {said}"))?;
        // Nobody may be held up by a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let driver = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let client = timeout(START, connect(driver, folder.path()))
            .await
            .map_err(|_| "chromium did not start in time".to_owned())??;
        let session = client
            .session_id()
            .await
            .map_err(text)?
            .ok_or("chromedriver gave no session")?;
        Ok(Self {
            client,
            driver,
            session,
            keeper,
            hold,
            _folder: folder,
        })
    }

    /// Ends it, and waits until all of it is gone.
    pub(crate) async fn end(mut self) {
        // Cleanly first; what does not go so is killed.
        drop(timeout(Duration::from_secs(5), self.client.clone().close()).await);
        drop(self.hold.take());
        drop(self.keeper.wait().await);
    }

    /// Opens an address.
    pub(crate) async fn open(&self, address: &str) -> Result<(), String> {
        self.client.goto(address).await.map_err(text)
    }

    /// What a script of the page gives: the body of a function.
    pub(crate) async fn script(&self, body: &str) -> Result<Value, String> {
        self.client
            .execute(body, Vec::new())
            .await
            .map_err(|error| format!("{error} in {body}"))
    }

    /// Waits until what a script gives is as wanted; gives it.
    pub(crate) async fn until(
        &self,
        what: &str,
        body: &str,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let deadline = Instant::now() + SEEN;
        loop {
            let seen = self.script(body).await?;
            if is_wanted(&seen) {
                return Ok(seen);
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{what}: not seen within {} s; last seen: {seen:#}",
                    SEEN.as_secs()
                ));
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until a script gives `true`.
    pub(crate) async fn until_true(&self, what: &str, expression: &str) -> Result<(), String> {
        let body = format!("return ({expression});");
        self.until(what, &body, |seen| seen == &json!(true))
            .await
            .map(drop)
    }

    /// Clicks the visible button whose accessible name that is. It must be on top: where something covers it, it cannot
    /// be clicked.
    pub(crate) async fn click(&self, name: &str) -> Result<(), String> {
        let body = format!(
            "const wanted = {name:?}; \
             for (const old of document.querySelectorAll('[data-test]')) old.removeAttribute('data-test'); \
             const buttons = [...document.querySelectorAll('button')].filter((b) => b.checkVisibility() && b.getAttribute('aria-disabled') !== 'true'); \
             const found = buttons.filter((b) => b.textContent.replace(/\\s+/g, ' ').trim() === wanted); \
             if (found.length === 1) found[0].setAttribute('data-test', 'here'); \
             return found.length === 1 ? 'here' : buttons.map((b) => b.textContent);"
        );
        self.until(&format!("one button `{name}`"), &body, |seen| {
            seen == "here"
        })
        .await?;
        let element = self
            .client
            .find(Locator::Css("[data-test=here]"))
            .await
            .map_err(text)?;
        element
            .click()
            .await
            .map_err(|error| format!("`{name}` cannot be clicked: {error}"))
    }

    /// Types into what has the focus.
    pub(crate) async fn keys(&self, keys: &[char]) -> Result<(), String> {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for key in keys {
            actions = actions
                .then(KeyAction::Down { value: *key })
                .then(KeyAction::Up { value: *key });
        }
        self.client
            .perform_actions(Actions::from(actions))
            .await
            .map_err(text)
    }

    /// Presses one key.
    pub(crate) async fn press(&self, key: Key) -> Result<(), String> {
        self.keys(&[key.into()]).await
    }

    /// Types a text into what has the focus.
    pub(crate) async fn type_text(&self, typed: &str) -> Result<(), String> {
        self.keys(&typed.chars().collect::<Vec<_>>()).await
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &str, params: Value) -> Result<Value, String> {
        let body = json!({ "cmd": command, "params": params });
        self.post("goog/cdp/execute", &body).await
    }

    /// What the browser wrote on its console, from warnings on. Lines about answers with an error status are left out:
    /// trials cause them.
    pub(crate) async fn complaints(&self) -> Result<Vec<String>, String> {
        let lines = self.post("se/log", &json!({ "type": "browser" })).await?;
        let text = |line: &Value, key: &str| line[key].as_str().unwrap_or("?").to_owned();
        Ok(lines
            .as_array()
            .into_iter()
            .flatten()
            .filter(|line| line["source"] != "network")
            .filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING")
            .map(|line| format!("{}: {}", text(line, "level"), text(line, "message")))
            .collect())
    }

    /// Another size, as on a device of that size.
    pub(crate) async fn resize(&self, width: u32, height: u32, scale: f64) -> Result<(), String> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await
            .map(drop)
    }

    /// `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) -> Result<(), String> {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await
        .map(drop)
    }

    /// A PNG of what is seen.
    pub(crate) async fn picture(&self) -> Result<Vec<u8>, String> {
        self.client.screenshot().await.map_err(text)
    }

    /// Keeps a picture in `target/ui`; gives its path.
    pub(crate) async fn keep_picture(&self, name: &str) -> Result<String, String> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/ui");
        std::fs::create_dir_all(&folder).map_err(text)?;
        let path = folder.join(format!("{}.png", name.replace("::", "-")));
        std::fs::write(&path, self.picture().await?).map_err(text)?;
        Ok(path.display().to_string())
    }

    /// A command of chromedriver that fantoccini does not know.
    async fn post(&self, command: &str, body: &Value) -> Result<Value, String> {
        let exchange = async {
            let request = axum::http::Request::post(format!("/session/{}/{command}", self.session))
                .header("host", self.driver.to_string())
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(body.to_string())))
                .map_err(text)?;
            let stream = tokio::net::TcpStream::connect(self.driver)
                .await
                .map_err(text)?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(text)?;
            let connection = tokio::spawn(connection);
            let answer = sender.send_request(request).await.map_err(text)?;
            let status = answer.status();
            let bytes = answer.into_body().collect().await.map_err(text)?.to_bytes();
            connection.abort();
            let mut answer: Value = serde_json::from_slice(&bytes).map_err(text)?;
            if status.is_success() {
                Ok(answer["value"].take())
            } else {
                Err(format!("{command}: {answer}"))
            }
        };
        timeout(SEEN, exchange)
            .await
            .unwrap_or_else(|_| Err(format!("{command} was not answered in time")))
    }
}

async fn connect(driver: SocketAddr, folder: &Path) -> Result<Client, String> {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let options = json!({
        "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-breakpad", "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1280,900", profile,
        ],
    });
    let capabilities = json!({
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    let Value::Object(capabilities) = capabilities else {
        return Err("capabilities are an object".to_owned());
    };
    ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://{driver}"))
        .await
        .map_err(|error| {
            format!(
                "chromium does not start: {}",
                archipelago_lab::chain(&error)
            )
        })
}
