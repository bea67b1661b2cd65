//! What can be done on the page.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::node::{Node, container};
use crate::shown::CARDS;
use crate::trial::{Outcome, expect, trials};

trials![Node;
    an_install_shows_its_progress_and_can_be_cancelled,
    a_failed_install_says_why_until_it_is_dismissed,
    packages_are_stopped_and_started_by_keyboard_alone,
    an_uninstall_is_asked_for_and_keeps_data_where_wanted,
    a_log_is_read_and_the_focus_comes_back,
    the_token_is_asked_for_and_a_wrong_one_refused,
    the_token_leaves_the_address_bar,
    a_cut_line_is_shown_and_mends_itself,
    the_catalog_is_filtered_and_says_what_cannot_be_installed,
];

const OTHER_IMAGE: &str = "registry.example/slow:1";

fn slow() -> String {
    container("slow", "").replace(
        archipelago::container::mock_podman::FIXTURE_IMAGE,
        OTHER_IMAGE,
    )
}

async fn an_install_shows_its_progress_and_can_be_cancelled(
    node: &Node,
    browser: &Browser,
) -> Outcome {
    node.offer("slow", "Slow", "1.0", &slow());
    node.podman.pull_delay_ms(60_000);
    node.open(browser).await?;
    browser.click("Install Slow").await?;
    let work = "
        const card = document.querySelector('[data-package=slow]');
        if (!card) return null;
        const bar = card.querySelector('progress');
        return {
            state: card.querySelector('.state .word').textContent, colour: card.dataset.colour,
            step: card.querySelector('.step').textContent, bar: bar.checkVisibility(), name: bar.getAttribute('aria-label'),
        };";
    browser
        .until("the pull is shown", work, |seen| {
            seen["state"] == "installing"
                && seen["colour"] == "blue"
                && seen["bar"] == true
                && seen["name"] == "Progress of Slow"
                && seen["step"]
                    .as_str()
                    .is_some_and(|step| step.starts_with("Pulling"))
        })
        .await?;
    browser.click("Cancel Slow").await?;
    browser
        .until("it is gone again", CARDS, |cards| cards["slow"].is_null())
        .await?;
    // Back in the catalog, and this time it is quick.
    node.podman.pull_delay_ms(1);
    browser.click("Install Slow").await?;
    browser
        .until("it runs", CARDS, |cards| {
            cards["slow"]["state"] == "running"
        })
        .await?;
    browser
        .until_true(
            "it is no longer offered",
            "document.querySelector('[data-entry=slow]') === null",
        )
        .await
}

async fn a_failed_install_says_why_until_it_is_dismissed(
    node: &Node,
    browser: &Browser,
) -> Outcome {
    node.offer("slow", "Slow", "1.0", &slow());
    node.podman.lose_pulled_image(OTHER_IMAGE);
    node.open(browser).await?;
    browser.click("Install Slow").await?;
    let failure = "
        const box = document.querySelector('[data-entry=slow] .failure');
        return box && box.checkVisibility() ? box.textContent : '';";
    let has = |seen: &Value, wanted: &str| seen.as_str().is_some_and(|seen| seen.contains(wanted));
    browser
        .until("the failure is shown with its cause", failure, |seen| {
            has(seen, "Install failed") && has(seen, OTHER_IMAGE)
        })
        .await?;
    browser.click("Dismiss the error of Slow").await?;
    browser
        .until("it is put away", failure, |seen| seen == "")
        .await
        .map(drop)
}

/// Presses Tab until the focus is on what has this text; says what was passed.
async fn tab_to(browser: &Browser, wanted: &str) -> Outcome {
    let focused = "
        const element = document.activeElement;
        const style = getComputedStyle(element);
        return { text: element.textContent.replace(/\\s+/g, ' ').trim(), seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, body: element === document.body };";
    let mut passed = Vec::new();
    for _ in 0..40 {
        browser.press(Key::Tab).await?;
        let now = browser.script(focused).await?;
        if now["text"] == wanted {
            return expect(now["seen"] == true, || {
                format!("the focus on `{wanted}` cannot be seen")
            });
        }
        passed.push(now["text"].to_string());
    }
    Err(format!(
        "Tab does not come to `{wanted}`: {}",
        passed.join(", ")
    ))
}

async fn packages_are_stopped_and_started_by_keyboard_alone(
    node: &Node,
    browser: &Browser,
) -> Outcome {
    node.install("app", "App", "").await?;
    node.open(browser).await?;
    browser
        .until("it runs", CARDS, |cards| cards["app"]["state"] == "running")
        .await?;
    tab_to(browser, "Stop App").await?;
    browser.press(Key::Enter).await?;
    browser
        .until("it is stopped", CARDS, |cards| {
            cards["app"]["state"] == "stopped"
        })
        .await?;
    // The button is gone; who works by keyboard is still at the package.
    browser
        .until_true(
            "the focus stays at the package",
            "document.activeElement.closest('.package')?.dataset.package === 'app'",
        )
        .await?;
    tab_to(browser, "Start App").await?;
    browser.keys(&[' ']).await?;
    browser
        .until("it runs again", CARDS, |cards| {
            cards["app"]["state"] == "running"
        })
        .await?;
    // No trap: Tab goes through all and out of the page again.
    let mut left = false;
    for _ in 0..80 {
        browser.press(Key::Tab).await?;
        left = left || browser.script("return document.activeElement === document.body || document.activeElement.classList.contains('skip');").await? == true;
    }
    expect(left, || "Tab never leaves the page".to_owned())
}

async fn an_uninstall_is_asked_for_and_keeps_data_where_wanted(
    node: &Node,
    browser: &Browser,
) -> Outcome {
    let volume = "volumes = [{ name = \"app-data\", path = \"/data\" }]";
    node.install("app", "App", volume).await?;
    node.open(browser).await?;
    browser.click("Uninstall App").await?;
    let dialog = "
        const dialog = document.getElementById('uninstall');
        return { open: dialog.open, heading: dialog.querySelector('h2').textContent, keep: document.getElementById('keep-data').checked, focus: document.activeElement.id };";
    let expected =
        json!({ "open": true, "heading": "Uninstall App?", "keep": true, "focus": "uninstall-no" });
    browser
        .until("it is asked, with the harmless choices", dialog, |seen| {
            *seen == expected
        })
        .await?;
    browser.press(Key::Escape).await?;
    browser
        .until("Escape leaves it", dialog, |seen| seen["open"] == false)
        .await?;
    let focus = browser
        .script("return document.activeElement.textContent;")
        .await?;
    expect(focus == "Uninstall App", || {
        format!("the focus is on {focus} afterwards")
    })?;
    for (keeps, is_left) in [(true, true), (false, false)] {
        browser.click("Uninstall App").await?;
        browser
            .until("it is asked", dialog, |seen| seen["open"] == true)
            .await?;
        if !keeps {
            browser
                .script("document.getElementById('keep-data').click();")
                .await?;
            browser
                .until_true(
                    "it says what is lost",
                    "document.getElementById('keep-data-means').textContent.includes('deleted for good')",
                )
                .await?;
        }
        browser.click("Uninstall").await?;
        browser
            .until("it is gone", CARDS, |cards| cards["app"].is_null())
            .await?;
        let found = node.podman("volume inspect app-data").await;
        expect(found.is_ok() == is_left, || {
            format!("with keep data {keeps}: {found:?}")
        })?;
        if keeps {
            browser.click("Install App").await?;
            browser
                .until("it runs", CARDS, |cards| cards["app"]["state"] == "running")
                .await?;
        }
    }
    Ok(())
}

async fn a_log_is_read_and_the_focus_comes_back(node: &Node, browser: &Browser) -> Outcome {
    node.install("app", "App", "").await?;
    node.open(browser).await?;
    browser.click("Log of app").await?;
    let log = "return document.getElementById('logs').open ? document.getElementById('logs-text').textContent : null;";
    browser
        .until("its lines are shown", log, |seen| {
            seen.as_str()
                .is_some_and(|text| text.contains("serving on 8080"))
        })
        .await?;
    browser.click("Close").await?;
    browser.until("it is closed", log, Value::is_null).await?;
    let focus = browser
        .script("return document.activeElement.textContent;")
        .await?;
    expect(focus == "Log of app", || {
        format!("the focus is on {focus} afterwards")
    })
}

async fn the_token_is_asked_for_and_a_wrong_one_refused(node: &Node, browser: &Browser) -> Outcome {
    node.install("app", "App", "").await?;
    browser.open(&node.page()).await?;
    let form = "
        return {
            asked: document.getElementById('sign-in').checkVisibility(), node: document.getElementById('node').checkVisibility(),
            file: document.getElementById('token-file').textContent, error: document.getElementById('sign-in-error').textContent,
            focus: document.activeElement.id, link: document.getElementById('link-text').textContent,
        };";
    let asked = browser
        .until("the token is asked for", form, |seen| seen["asked"] == true)
        .await?;
    expect(
        asked["node"] == false
            && asked["focus"] == "token"
            && asked["file"]
                .as_str()
                .is_some_and(|file| file.ends_with("secrets/rpc-token")),
        || format!("the form does not say where the token is: {asked:#}"),
    )?;
    browser.type_text("wrong").await?;
    browser.press(Key::Enter).await?;
    browser
        .until("a wrong one is refused", form, |seen| {
            seen["error"] == "That token is wrong." && seen["asked"] == true
        })
        .await?;
    browser.type_text(node.token()).await?;
    browser.press(Key::Enter).await?;
    browser
        .until("the node is shown", form, |seen| {
            seen["node"] == true && seen["asked"] == false && seen["link"] == "live"
        })
        .await?;
    // In this tab it is kept; put away it is asked for again, and the node is not shown any more.
    browser.open(&node.page()).await?;
    browser
        .until("it is kept in the tab", form, |seen| seen["node"] == true)
        .await?;
    browser.click("Forget token").await?;
    browser
        .until("it is asked for again", form, |seen| {
            seen["asked"] == true && seen["node"] == false && seen["error"] == ""
        })
        .await
        .map(drop)
}

async fn the_token_leaves_the_address_bar(node: &Node, browser: &Browser) -> Outcome {
    node.open(browser).await?;
    let seen = browser
        .script("return { address: location.href, storage: localStorage.length, cookie: document.cookie, history: history.length };")
        .await?;
    expect(
        seen["address"] == node.page() && seen["storage"] == 0 && seen["cookie"] == "",
        || format!("the token stays somewhere: {seen}"),
    )
}

async fn a_cut_line_is_shown_and_mends_itself(node: &Node, browser: &Browser) -> Outcome {
    node.install("base", "Base", "tier = 0").await?;
    node.install("app", "App", crate::shown::WAITS).await?;
    node.open(browser).await?;
    node.cut_line().await;
    let link = "
        const stale = document.getElementById('stale');
        return { link: document.getElementById('link-text').textContent, banner: stale.checkVisibility() ? stale.textContent : '', dim: getComputedStyle(document.getElementById('node')).opacity };";
    browser
        .until(
            "it says that it is disconnected, since when, and what next",
            link,
            |seen| {
                let banner = seen["banner"].as_str().unwrap_or_default();
                seen["link"] == "disconnected"
                    && banner.starts_with("Disconnected")
                    && banner.contains("What you see is from ")
                    && (banner.contains("next try in ") || banner.contains("trying now"))
                    && seen["dim"] != "1"
            },
        )
        .await?;
    // What happens meanwhile is not missed.
    node.rpc("package.stop", json!({ "id": "base" })).await?;
    node.poke("app", "exit 9").await?;
    node.mend_line().await?;
    browser
        .until("it is live again", link, |seen| {
            seen["link"] == "live" && seen["banner"] == "" && seen["dim"] == "1"
        })
        .await?;
    browser
        .until("and up to date", CARDS, |cards| {
            cards["app"]["code"] == "exit code 9"
        })
        .await
        .map(drop)
}

async fn the_catalog_is_filtered_and_says_what_cannot_be_installed(
    node: &Node,
    browser: &Browser,
) -> Outcome {
    node.offer(
        "aaa-bad",
        "A bad one",
        "1",
        &container("aaa-bad", "tier = 9"),
    );
    node.offer("good", "A good one", "1", &container("good", ""));
    node.open(browser).await?;
    let entries = "
        return Object.fromEntries([...document.querySelectorAll('.item')].map((item) => [item.dataset.entry, {
            button: item.querySelector('button').checkVisibility(), why: item.querySelector('.why').textContent,
        }]));";
    let seen = browser
        .until("the catalog is shown", entries, |seen| {
            seen["good"]["button"] == true
        })
        .await?;
    expect(
        seen["aaa-bad"]["button"] == false
            && seen["aaa-bad"]["why"]
                .as_str()
                .is_some_and(|why| why.contains("containers.aaa-bad.tier")),
        || format!("a bad manifest is not explained: {:#}", seen["aaa-bad"]),
    )?;
    browser
        .script("document.getElementById('filter').focus();")
        .await?;
    browser.type_text("GOOD one").await?;
    browser
        .until("only what fits is shown", entries, |seen| {
            seen.as_object()
                .is_some_and(|all| all.len() == 1 && all.contains_key("good"))
        })
        .await
        .map(drop)
}
