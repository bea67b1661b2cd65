//! Update.

use serde_json::{Value, json};

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    update_keeps_data_and_secrets,
    update_that_does_not_come_up_gives_way_to_the_old_version,
];

/// The fixture image under another tag.
const OTHER: &str = "localhost/archipelago-fixture:other";

/// A package with a volume and a secret, and the other image at hand.
async fn installed(stage: &mut Stage) -> Outcome {
    let image = archipelago_lab::image::FIXTURE_IMAGE;
    stage.podman(&["tag", image, OTHER]).await?;
    let shop = serve("shop")
        .with(r#"volumes = [{ name = "shop-data", path = "/data" }]"#)
        .with(r#"secrets = [{ name = "shop-token", env = "TOKEN" }]"#);
    stage.install("shop", &[shop]).await
}

/// What of a container says which one it is.
async fn look(stage: &mut Stage) -> Result<(Value, Value), String> {
    let found = stage.podman_json(&["container", "inspect", "shop"]).await?;
    Ok((found[0]["Id"].clone(), found[0]["ImageName"].clone()))
}

async fn secret(stage: &mut Stage) -> Result<Option<String>, String> {
    let files = stage.state_files().await?.into_iter();
    let mut secrets = files.filter(|(path, _)| path == "secrets/shop-token");
    Ok(secrets.next().map(|(_, text)| text))
}

async fn update_keeps_data_and_secrets(stage: &mut Stage) -> Outcome {
    installed(stage).await?;
    let write = ["exec", "shop", "/fixture", "write", "/data/kept", "data"];
    stage.podman(&write).await?;
    let before = (
        look(stage).await?,
        stage.inventory().await?,
        secret(stage).await?,
    );
    let to_other = json!({ "id": "shop", "dockerImage": OTHER });
    let updated = stage.rpc("package.update", to_other).await?;
    expect(updated["state"] == "running", || {
        format!("after the update it is shown as {updated:#}")
    })?;
    let (id, image) = look(stage).await?;
    expect(image == OTHER && id != before.0.0, || {
        format!("its container is not of the new image: {id} of {image}")
    })?;
    let after = stage.inventory().await?;
    expect(after == before.1, || {
        format!("before {:?}, after {after:?}", before.1)
    })?;
    let read = ["exec", "shop", "/fixture", "cat", "/data/kept"];
    let kept = stage.podman(&read).await?;
    expect(kept == "data", || format!("its data reads {kept:?}"))?;
    let after = secret(stage).await?;
    expect(after.is_some() && after == before.2, || {
        "its secret was made anew".to_owned()
    })
}

async fn update_that_does_not_come_up_gives_way_to_the_old_version(stage: &mut Stage) -> Outcome {
    installed(stage).await?;
    let before = stage.inventory().await?;
    let (_, image) = look(stage).await?;
    let bad = crate::fixture::command("shop", r#"["exit", "7"]"#);
    stage.add_app("shop", &[bad]).await?;
    let error = stage
        .rpc_error("package.update", json!({ "id": "shop" }))
        .await?;
    let text = error["message"].to_string();
    for part in ["the old version 1 runs again", "exiting with 7"] {
        expect(text.contains(part), || {
            format!("the error does not say {part:?}: {error:#}")
        })?;
    }
    let package = stage.package("shop").await?;
    expect(package["state"] == "running", || {
        format!("the old version is shown as {package:#}")
    })?;
    let state = stage.state_of("shop").await?;
    expect(state["Running"] == true, || {
        format!("podman says {state:#}")
    })?;
    let (_, again) = look(stage).await?;
    expect(again == image, || {
        format!("it is of {again}, and was of {image}")
    })?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("before {before:?}, after {after:?}")
    })
}
