//! The README's picture of the page.

use serde_json::json;

use crate::browser::Browser;
use crate::node::Node;
use crate::shown::CARDS;
use crate::trial::{Outcome, expect, trials};

trials![Node; picture];

/// Names the file to write.
const VARIABLE: &str = "ARCHIPELAGO_SCREENSHOT";
/// Largest picture for a README, in bytes.
const LARGEST: usize = 200_000;

/// Why no picture is taken; none where one is wanted.
pub(crate) fn unwanted() -> Option<String> {
    std::env::var_os(VARIABLE)
        .is_none()
        .then(|| format!("{VARIABLE} names no file to write"))
}

async fn picture(node: &Node, browser: &Browser) -> Outcome {
    let path = std::env::var(VARIABLE).map_err(|error| format!("{VARIABLE}: {error}"))?;
    let _ = (node, CARDS, json!({}));
    node.open(browser).await?;
    let png = browser.picture().await?;
    expect(png.len() < LARGEST, || {
        format!("the picture has {} bytes", png.len())
    })?;
    std::fs::write(&path, png).map_err(|error| format!("{path}: {error}"))
}
