//! The scripts over a slow link: 256 kbit/s, and a fifth of a second from a question to its answer. Nothing gives up too early,
//! and nothing is sent that is there already.

use std::time::Duration;

use archipelago_lab::StandIn;
use archipelago_lab::standin::Relay;

use crate::deployed::{Deployed, broken, folder, shell};
use crate::script::Script;
use crate::trial::{Outcome, trials};

const NAME: &str = "dev-container-test.sh";
const LATENCY: Duration = Duration::from_millis(100);
const KILOBITS: u32 = 256;
/// What a cycle where nothing has changed may send both ways: the list of files with their times, what the compiler says, and
/// what is said around it.
const NEXT_TO_NOTHING: u64 = 150_000;

trials![
    what_does_not_come_up_is_taken_back_over_it,
    a_tree_without_changes_costs_next_to_nothing,
];

fn slow(node: &StandIn) -> Result<Relay, String> {
    node.relay(LATENCY, KILOBITS)
        .map_err(|error| archipelago_lab::chain(&error))
}

async fn what_does_not_come_up_is_taken_back_over_it(node: &mut StandIn) -> Outcome {
    let folder = folder()?;
    let before = Deployed::on(node).await?;
    let relay = slow(node)?;
    Script::new(node, NAME, &["--once", "--binary", &broken(&folder)?])
        .with("ARCHIPELAGO_NODE_PORT", relay.port().to_string())
        .to_end()
        .await?
        .with_code(
            1,
            &[
                "archipelago is not healthy after 15 s",
                "cannot serve: broken on purpose",
                "failed: restart",
                "rolled back",
                "is healthy",
                "== what the monitor said ==",
            ],
        )?;
    if relay.carried().contains(&0) {
        return Err("it took another way".into());
    }
    before.is_back_on(node).await
}

async fn a_tree_without_changes_costs_next_to_nothing(node: &mut StandIn) -> Outcome {
    // Nothing can be linked there: this is about what comes before.
    shell(node, "chmod 0 /usr/bin/cc").await?;
    let script = || Script::new(node, NAME, &["--once"]);
    script()
        .to_end()
        .await?
        .with_code(1, &["== rsync ==", "== build ==", "failed: build"])?;
    let before = Deployed::on(node).await?;
    let relay = slow(node)?;
    let ended = script()
        .with("ARCHIPELAGO_NODE_PORT", relay.port().to_string())
        .to_end()
        .await?
        .with_code(
            1,
            &["== rsync ==", " 0 files", "== build ==", "failed: build"],
        )?;
    let [there, back] = relay.carried();
    if there == 0 || there + back > NEXT_TO_NOTHING {
        return Err(format!(
            "{there} bytes went to the node and {back} came from it: {ended}"
        ));
    }
    before.is_back_on(node).await
}
