//! Install.

use serde_json::json;

use crate::fixture::{command, serve};
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    installed_package_runs_and_is_listed_as_running,
    app_that_exits_at_once_is_an_error_and_is_rolled_back,
    image_that_cannot_be_pulled_is_an_error_and_nothing_is_left,
];

async fn installed_package_runs_and_is_listed_as_running(stage: &mut Stage) -> Outcome {
    stage
        .install(
            "echo",
            &[serve("echo").with(r#"volumes = [{ name = "echo-data", path = "/data" }]"#)],
        )
        .await?;
    let package = stage.package("echo").await?;
    expect(package["state"] == "running", || {
        format!("after the install it is shown as {package:#}")
    })?;
    let listed = stage.rpc("container.list", json!({})).await?;
    let echo = listed
        .as_array()
        .into_iter()
        .flatten()
        .find(|container| container["name"] == "echo");
    expect(
        echo.is_some_and(|container| container["state"] == "running"),
        || format!("container.list does not show it as running: {listed:#}"),
    )?;
    let state = stage.state_of("echo").await?;
    expect(state["Running"] == true, || {
        format!("podman says {state:#}")
    })?;
    let log = stage.podman(&["logs", "echo"]).await?;
    expect(log.contains("serving on 8080"), || {
        format!("the app did not say that it serves: {log:?}")
    })
}

async fn app_that_exits_at_once_is_an_error_and_is_rolled_back(stage: &mut Stage) -> Outcome {
    // What stood before must stand after: a volume of the same name holds the user's data.
    stage.podman(&["volume", "create", "broken-data"]).await?;
    let before = stage.inventory().await?;
    stage
        .add_app(
            "broken",
            &[
                serve("broken-db")
                    .tier(0)
                    .with(r#"volumes = [{ name = "broken-db-data", path = "/data" }]"#),
                command("broken", r#"["exit", "7"]"#)
                    .with(r#"depends_on = ["broken-db"]"#)
                    .with(r#"volumes = [{ name = "broken-data", path = "/data" }]"#)
                    .with(r#"secrets = [{ name = "broken-token", env = "TOKEN" }]"#),
            ],
        )
        .await?;
    let error = stage
        .rpc_error("package.install", json!({ "id": "broken" }))
        .await?;
    expect(error["data"]["container"] == "broken", || {
        format!("the error does not name the container: {error:#}")
    })?;
    let log = error["data"]["log"].to_string();
    expect(log.contains("exiting with 7"), || {
        format!("the error does not show the app's last lines: {error:#}")
    })?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("not rolled back: before {before:?}, after {after:?}")
    })?;
    let list = stage.rpc("package.list", json!({})).await?;
    expect(list == json!([]), || {
        format!("it is still listed: {list:#}")
    })
}

async fn image_that_cannot_be_pulled_is_an_error_and_nothing_is_left(stage: &mut Stage) -> Outcome {
    let before = stage.inventory().await?;
    // Nothing listens there; on the node itself, so that no network is asked. Three attempts, twenty seconds between them.
    let image = stage.closed_registry("far:1").await?;
    let far = serve("far")
        .image(&image)
        .with(r#"volumes = [{ name = "far-data", path = "/data" }]"#);
    stage
        .add_app("far", &[serve("far-db").tier(0), far])
        .await?;
    let error = stage
        .rpc_error("package.install", json!({ "id": "far" }))
        .await?;
    expect(error["data"]["attempts"] == 3, || {
        format!("the error does not say how often it was tried: {error:#}")
    })?;
    let text = error["message"].to_string();
    expect(
        text.contains(&image) && text.contains("connection refused"),
        || format!("the error does not say which image, and what the registry said: {error:#}"),
    )?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("not rolled back: before {before:?}, after {after:?}")
    })
}
