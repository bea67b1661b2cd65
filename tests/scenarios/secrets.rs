//! Secrets: the app gets them, and nobody else sees them.

use serde_json::json;

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![app_gets_its_secrets_and_nobody_else_sees_them];

/// As a variable, as a file and in two rendered texts; more than one line, and signs that a shell would take for its own.
const SECRETS: &str = r#"secrets = [
  { name = "box-key", env = "KEY" },
  { name = "box-pass", file = "/run/box/pass", mode = 0o440, uid = 1000, gid = 1001 },
  { name = "url", env = "URL", template = "http://me:${secret:box-key}@db:1/?x=$1" },
  { name = "conf", file = "/etc/box/deep/box.conf", template = "auth=me:${rpcauth:box-pass}\npass='${secret:box-pass}'\n" },
]"#;

async fn app_gets_its_secrets_and_nobody_else_sees_them(stage: &mut Stage) -> Outcome {
    stage.watch_podman().await?;
    let before = stage.inventory().await?;
    stage.install("box", &[serve("box").with(SECRETS)]).await?;
    let key = secret(stage, "box-key").await?;
    let pass = secret(stage, "box-pass").await?;

    let environ = cat(stage, "/proc/1/environ").await?;
    for variable in [
        format!("KEY={key}"),
        format!("URL=http://me:{key}@db:1/?x=$1"),
    ] {
        expect(environ.split('\0').any(|found| found == variable), || {
            format!("the app's variables lack {variable:?}: {environ:?}")
        })?;
    }
    let file = cat(stage, "/run/box/pass").await?;
    expect(file == pass, || {
        format!("the file holds {file:?}, not {pass:?}")
    })?;
    let conf = cat(stage, "/etc/box/deep/box.conf").await?;
    let ends = format!("\npass='{pass}'\n");
    expect(
        conf.starts_with("auth=me:") && conf.ends_with(&ends),
        || format!("the configuration is {conf:?}"),
    )?;

    // Everything that may log, or write state.
    stage.rpc("package.restart", json!({ "id": "box" })).await?;
    stage.podman(&["rm", "--force", "box"]).await?;
    stage.look_now().await?;
    stage
        .until("box", "runs again, made anew", |package| {
            package["state"] == "running"
        })
        .await?;
    stage.restart_daemon().await?;
    stage
        .rpc("container.logs", json!({ "name": "box" }))
        .await?;
    for (path, content) in stage.state_files().await? {
        let is_secret = path.starts_with("secrets/");
        expect(
            is_secret || !(content.contains(&key) || content.contains(&pass)),
            || format!("the state file {path} holds a secret: {content}"),
        )?;
        expect(!path.starts_with("secrets/.tmp"), || {
            format!("{path} is left of a rendered text")
        })?;
    }
    let leaks = stage.leaks(&[&key, &pass]).await?;
    expect(leaks.is_empty(), || {
        format!("a secret was seen in: {leaks:#?}")
    })?;

    stage
        .rpc("package.uninstall", json!({ "id": "box" }))
        .await?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("left behind: before {before:?}, after {after:?}")
    })
}

async fn cat(stage: &mut Stage, path: &str) -> Result<String, String> {
    stage
        .podman(&["exec", "box", "/fixture", "cat", path])
        .await
}

async fn secret(stage: &mut Stage, name: &str) -> Result<String, String> {
    let path = format!("secrets/{name}");
    let files = stage.state_files().await?;
    files
        .into_iter()
        .find(|(found, _)| *found == path)
        .map(|(_, content)| content)
        .ok_or_else(|| format!("there is no {path}"))
}
