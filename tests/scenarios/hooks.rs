//! Post-install hooks.

use serde_json::json;

use crate::fixture::serve;
use crate::registry::{Outcome, scenarios};
use crate::stage::{Stage, expect};

scenarios![
    hook_is_run_before_the_install_is_done,
    hook_that_fails_is_the_installs_failure_and_is_rolled_back,
];

/// A line of TOML that ends a container.
fn hook(command: &str) -> String {
    format!("[[hooks.post_install]]\ncontainer = \"hooked\"\ncommand = {command}")
}

const DATA: &str = r#"volumes = [{ name = "hooked-data", path = "/data" }]"#;

async fn hook_is_run_before_the_install_is_done(stage: &mut Stage) -> Outcome {
    let hook = hook(r#"["/fixture", "write", "/data/made", "by the hook"]"#);
    let hooked = serve("hooked").with(DATA).with(&hook);
    stage.install("hooked", &[hooked]).await?;
    let made = stage
        .podman(&["exec", "hooked", "/fixture", "cat", "/data/made"])
        .await?;
    expect(made == "by the hook", || {
        format!("the hook has written {made:?}")
    })
}

async fn hook_that_fails_is_the_installs_failure_and_is_rolled_back(stage: &mut Stage) -> Outcome {
    let before = stage.inventory().await?;
    // Nothing is at that path.
    let hook = hook(r#"["/fixture", "cat", "/data/nothing"]"#);
    let hooked = serve("hooked").with(DATA).with(&hook);
    stage.add_app("hooked", &[hooked]).await?;
    let error = stage
        .rpc_error("package.install", json!({ "id": "hooked" }))
        .await?;
    expect(
        error["data"]["kind"] == "hook failed" && error["data"]["exit_code"] == 1,
        || format!("the error does not say what failed: {error:#}"),
    )?;
    let after = stage.inventory().await?;
    expect(after == before, || {
        format!("not rolled back: before {before:?}, after {after:?}")
    })
}
