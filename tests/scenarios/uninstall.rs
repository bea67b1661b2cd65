//! Uninstall.

use serde_json::json;

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    leaves_nothing_behind_and_touches_nobody_else,
    dependents_guard_a_package_unless_forced harmless true,
    kept_data_is_found_by_the_next_install,
];

async fn leaves_nothing_behind_and_touches_nobody_else(stage: &mut Stage) -> Outcome {
    let image = archipelago_lab::image::FIXTURE_IMAGE;
    // Somebody else's: by hand, and another package of ours. A blanket prune would take the idle volume and the created
    // container.
    stage.podman(&["volume", "create", "stranger-data"]).await?;
    stage.podman(&["volume", "create", "stranger-idle"]).await?;
    stage.podman(&["network", "create", "stranger-net"]).await?;
    stage
        .podman(&[
            "run",
            "--detach",
            "--name",
            "stranger",
            "--volume",
            "stranger-data:/data",
            image,
            "serve",
            "8080",
        ])
        .await?;
    stage
        .podman(&[
            "create",
            "--name",
            "stranger-created",
            image,
            "serve",
            "8080",
        ])
        .await?;
    let full = |id: &str| {
        serve(id)
            .with(&format!(
                r#"volumes = [{{ name = "{id}-data", path = "/data" }}]"#
            ))
            .with(&format!(
                r#"secrets = [{{ name = "{id}-token", env = "TOKEN" }}]"#
            ))
    };
    stage.install("neighbour", &[full("neighbour")]).await?;
    let before = stage.inventory().await?;
    stage
        .install(
            "doomed",
            &[
                full("doomed-db").tier(0),
                full("doomed").with(r#"depends_on = ["doomed-db"]"#),
            ],
        )
        .await?;
    let installed = stage.inventory().await?;
    for thing in [
        "container doomed",
        "container doomed-db",
        "volume doomed-data",
        "secret doomed.doomed-token",
    ] {
        expect(installed.contains(thing), || {
            format!("the install made no {thing}: {installed:?}")
        })?;
    }
    let neighbour = stage.state_of("neighbour").await?;
    stage
        .rpc("package.uninstall", json!({ "id": "doomed" }))
        .await?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!(
            "left behind: {:?}; taken from others: {:?}",
            after.difference(&before).collect::<Vec<_>>(),
            before.difference(&after).collect::<Vec<_>>()
        )
    })?;
    for (path, content) in stage.state_files().await? {
        expect(
            !path.contains("doomed") && !content.contains("doomed"),
            || format!("`{path}` still speaks of the package: {content}"),
        )?;
    }
    let list = stage.rpc("package.list", json!({})).await?;
    expect(list.as_array().is_some_and(|list| list.len() == 1), || {
        format!("package.list shows {list:#}")
    })?;
    for name in ["neighbour", "stranger"] {
        let state = stage.state_of(name).await?;
        expect(state["Running"] == true, || {
            format!("`{name}` was stopped: {state:#}")
        })?;
    }
    let now = stage.state_of("neighbour").await?;
    expect(now["StartedAt"] == neighbour["StartedAt"], || {
        "the neighbour was restarted".into()
    })
}

async fn dependents_guard_a_package_unless_forced(stage: &mut Stage) -> Outcome {
    stage.install("base", &[serve("base")]).await?;
    let top = serve("top").with(r#"depends_on = ["base"]"#);
    stage.install("top", &[top]).await?;
    let error = stage
        .rpc_error("package.uninstall", json!({ "id": "base" }))
        .await?;
    expect(error["data"]["dependents"] == json!(["top"]), || {
        format!("the error does not name who needs it: {error:#}")
    })?;
    let state = stage.state_of("base").await?;
    expect(state["Running"] == true, || {
        format!("a refused uninstall has stopped it: {state:#}")
    })?;
    stage
        .rpc("package.uninstall", json!({ "id": "base", "force": true }))
        .await?;
    let left = stage.inventory().await?;
    expect(
        !left.contains("container base") && left.contains("container top"),
        || format!("after a forced uninstall there is {left:?}"),
    )
}

async fn kept_data_is_found_by_the_next_install(stage: &mut Stage) -> Outcome {
    let app = serve("shop")
        .with(r#"volumes = [{ name = "shop-data", path = "/data" }]"#)
        .with(r#"secrets = [{ name = "shop-token", env = "TOKEN" }]"#);
    stage.install("shop", &[app]).await?;
    let write = ["exec", "shop", "/fixture", "write", "/data/kept", "mine"];
    stage.podman(&write).await?;
    let secret = |files: &[(String, String)]| {
        let mut files = files.iter();
        files
            .find(|(path, _)| path == "secrets/shop-token")
            .map(|(_, content)| content.clone())
    };
    let before = secret(&stage.state_files().await?);
    let keep = json!({ "id": "shop", "keepData": true });
    stage.rpc("package.uninstall", keep).await?;
    let left = stage.inventory().await?;
    expect(
        left.contains("volume shop-data")
            && !left.contains("container shop")
            && !left.contains("secret shop-token"),
        || format!("only the data is to be left: {left:?}"),
    )?;
    stage
        .rpc("package.install", json!({ "id": "shop" }))
        .await?;
    let cat = ["exec", "shop", "/fixture", "cat", "/data/kept"];
    let kept = stage.podman(&cat).await?;
    expect(kept == "mine", || {
        format!("the next install finds {kept:?}")
    })?;
    let after = secret(&stage.state_files().await?);
    expect(before.is_some() && after == before, || {
        "its secret was made anew, and its data needs the old one".into()
    })
}
