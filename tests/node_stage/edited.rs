//! A changed line, all the way: it builds, and does not come up; then it is mended.

use std::time::Duration;

use archipelago_lab::StandIn;

use crate::checkout::Checkout;
use crate::deployed::Deployed;
use crate::script::Script;
use crate::trial::{Outcome, trials};

trials![long: an_edit_that_does_not_come_up_is_taken_back_and_mended];

/// What is edited: where the daemon reads its configuration.
const FILE: &str = "src/cli/serve.rs";
const LINE: &str = "config: config::load(file)?,";
const EDITED: &str =
    "config: config::load(file.and(None).or(Some(\"/edited/on/purpose\".into())))?,";
/// From nothing, where no cache is there.
const BUILD: Duration = Duration::from_secs(1800);

async fn an_edit_that_does_not_come_up_is_taken_back_and_mended(node: &mut StandIn) -> Outcome {
    let checkout = Checkout::new("edited")?;
    let path = checkout.path().join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let edit = |text: &str| std::fs::write(&path, text).map_err(|error| error.to_string());
    if !text.contains(LINE) {
        return Err(format!("`{LINE}` is not in {FILE} any more"));
    }
    edit(&text.replacen(LINE, EDITED, 1))?;
    let before = Deployed::on(node).await?;
    let mut running = Script::new(node, "dev-container-test.sh", &["--build", "local"])
        .of(&checkout.path())
        .without("CARGO_TARGET_DIR")
        .within(BUILD)
        .begin()?;
    running.says("Enter runs it again", 1).await?;
    before.is_back_on(node).await?;
    edit(&text)?;
    running.types("").await?;
    running.says("Enter runs it again", 2).await?;
    running.types_no_more();
    let said = [
        "== build ==",
        "== rsync ==",
        "== restart ==",
        "archipelago is not healthy after 15 s",
        "`/edited/on/purpose`",
        "failed: restart",
        "rolled back",
        "the old archipelago is back",
        "== build ==",
        "== smoke ==",
        "passed after",
    ];
    running.end().await?.with_code(0, &said).map(drop)
}
