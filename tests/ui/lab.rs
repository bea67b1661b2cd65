//! The page of a daemon in a lab, on real podman.

use std::net::SocketAddr;
use std::time::Duration;

use archipelago_lab::Lab;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::browser::Browser;
use crate::shown::CARDS;
use crate::trial::{OnNode, Outcome, expect, judged, trials};

trials![Node;
    a_package_is_installed_crashes_is_healed_stopped_and_uninstalled,
];

/// The port archipelago listens on in the lab.
const PORT: u16 = 5678;
/// How long the daemon may take to come up.
const ANSWER: Duration = Duration::from_secs(20);

/// A lab in which archipelago answers.
pub(crate) struct Node {
    lab: Lab,
    address: SocketAddr,
    token: String,
}

impl Node {
    /// Runs a command in the lab, which must succeed.
    async fn run(&self, argv: &[&str]) -> Outcome {
        let done = self.lab.succeed(argv).await;
        done.map(drop)
            .map_err(|error| archipelago_lab::chain(&error))
    }
}

/// Runs a trial in a fresh lab.
pub(crate) fn run(trial: &OnNode<Node>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let lab = start()
            .await
            .map_err(|error| archipelago_lab::chain(&error))?;
        let way = way(&lab).await;
        let (node, outcome) = match way {
            Err(error) => (Err(lab), Err(error)),
            Ok((address, token)) => {
                let node = Node {
                    lab,
                    address,
                    token,
                };
                let outcome = on_page(trial, &node).await;
                (Ok(node), outcome)
            }
        };
        let lab = node.map_or_else(|lab| lab, |node| node.lab);
        let stopped = lab
            .stop()
            .await
            .map_err(|error| archipelago_lab::chain(&error));
        outcome.and(stopped)
    })
}

async fn on_page(trial: &OnNode<Node>, node: &Node) -> Outcome {
    let browser = Browser::start().await?;
    let outcome = judged((trial.run)(node, &browser).await, &trial.name(), &browser).await;
    browser.end().await;
    outcome
}

async fn start() -> Result<Lab, archipelago_lab::lab::LabError> {
    let manifest = format!(
        "id = \"fragile\"\ntitle = \"Fragile\"\nversion = \"1\"\n[[containers]]\nname = \"fragile\"\nimage = \"{}\"\ncommand = [\"serve\", \"8080\"]\ntier = 2\nrestart = \"no\"\n",
        archipelago_lab::image::FIXTURE_IMAGE
    );
    Lab::builder()
        .name("ui")
        .program(
            env!("CARGO_BIN_EXE_archipelago"),
            "/usr/local/bin/archipelago",
        )
        .file(
            "/etc/archipelago/archipelago.toml",
            format!("listen = \"0.0.0.0:{PORT}\"\n\n[install]\nstay_up_secs = 1\n"),
        )
        .file("/etc/archipelago/apps/fragile.toml", manifest)
        .publish(PORT)
        .start()
        .await
}

/// Where archipelago answers, and by what token; waits until it does.
async fn way(lab: &Lab) -> Result<(SocketAddr, String), String> {
    let deadline = Instant::now() + ANSWER;
    loop {
        let found = async {
            let token = lab
                .read_file("/var/lib/archipelago/secrets/rpc-token")
                .await
                .map_err(|error| archipelago_lab::chain(&error))?;
            let address = lab
                .published_port(PORT)
                .await
                .map_err(|error| archipelago_lab::chain(&error))?;
            archipelago::client::Client::new(address, String::from_utf8_lossy(&token).trim())
                .call("system.version", &serde_json::json!({}))
                .await
                .map_err(|error| archipelago_lab::chain(&error))?;
            Ok::<_, String>((address, String::from_utf8_lossy(&token).trim().to_owned()))
        };
        match found.await {
            Ok(way) => return Ok(way),
            Err(error) if Instant::now() > deadline => {
                return Err(format!(
                    "archipelago did not answer within {} s; last seen: {error}",
                    ANSWER.as_secs()
                ));
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn a_package_is_installed_crashes_is_healed_stopped_and_uninstalled(
    node: &Node,
    browser: &Browser,
) -> Outcome {
    browser
        .open(&format!("http://{}/#token={}", node.address, node.token))
        .await?;
    browser.click("Install Fragile").await?;
    let state = |wanted: &'static str| move |cards: &Value| cards["fragile"]["state"] == wanted;
    browser.until("it runs", CARDS, state("running")).await?;
    let poke = ["podman", "exec", "fragile", "/fixture", "poke", "exit", "3"];
    node.run(&poke).await?;
    let history =
        "return document.querySelector('[data-container=fragile] .exits')?.textContent ?? null;";
    browser
        .until("its end is in the history", history, |text| {
            text.as_str()
                .is_some_and(|text| text.contains("crashed exit code 3"))
        })
        .await?;
    browser
        .until("it is healed", CARDS, state("running"))
        .await?;
    // Its second restart is due after the interval, and so there is time to see why it does not run.
    node.run(&poke).await?;
    browser
        .until(
            "it is shown as crashed with its code, and when it is restarted",
            CARDS,
            |cards| {
                let card = &cards["fragile"];
                // For a moment podman is not done with it, and what comes next is another look.
                card["state"] == "crashed"
                    && card["code"] == "exit code 3"
                    && card["next"]
                        .as_str()
                        .is_some_and(|next| next.starts_with("restart 2 of 10 in 1 min"))
            },
        )
        .await?;
    browser.click("Start Fragile").await?;
    browser
        .until("it runs again", CARDS, state("running"))
        .await?;
    browser.click("Stop Fragile").await?;
    browser
        .until("it is stopped", CARDS, state("stopped"))
        .await?;
    browser.click("Uninstall Fragile").await?;
    browser.click("Uninstall").await?;
    browser
        .until("it is gone", CARDS, |cards| cards["fragile"].is_null())
        .await?;
    let left = node
        .lab
        .succeed(&["podman", "ps", "--all", "--format", "{{.Names}}"])
        .await
        .map_err(|error| archipelago_lab::chain(&error))?;
    expect(left.trim().is_empty(), || format!("left behind: {left}"))
}
