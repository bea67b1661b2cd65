//! How the page fits: phones, dark rooms.

use serde_json::{Value, json};

use crate::access::everything;
use crate::browser::Browser;
use crate::node::Node;
use crate::trial::{Outcome, expect, trials};

trials![Node;
    a_phone_needs_no_sideways_scrolling,
    dark_is_dark_and_light_is_light,
    nothing_is_asked_of_anybody_else,
];

/// What is wider than the page, and buttons too small for a finger.
const FIT: &str = "
    const wide = document.documentElement.clientWidth;
    const seen = [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility() && !element.closest('.only-read, .skip'));
    const out = seen.filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && (box.right > wide + 0.5 || box.left < -0.5);
    });
    const small = seen.filter((element) => element.tagName === 'BUTTON' && element.getBoundingClientRect().height < 24);
    return {
        wide, scroll: document.documentElement.scrollWidth, count: seen.length,
        out: out.slice(0, 5).map((element) => `${element.tagName}.${element.className}: ${element.textContent.slice(0, 40)}`),
        small: small.map((element) => element.textContent),
    };";

async fn fits(browser: &Browser, what: &str) -> Outcome {
    let found = browser.script(FIT).await?;
    expect(
        found["wide"] == 320
            && found["scroll"] == 320
            && found["out"] == json!([])
            && found["small"] == json!([])
            && found["count"].as_u64() > Some(10),
        || format!("{what}: {found:#}"),
    )
}

async fn a_phone_needs_no_sideways_scrolling(node: &Node, browser: &Browser) -> Outcome {
    browser.resize(320, 640, 2.0).await?;
    node.install(
        "long",
        "Averylongtitlewithoutanyspacethatcouldbebrokenanywhere",
        "",
    )
    .await?;
    everything(node, browser).await?;
    fits(browser, "the node").await?;
    for (button, what) in [
        ("Uninstall Well", "the question"),
        ("Log of well", "the log"),
    ] {
        browser.click(button).await?;
        browser
            .until_true(
                "the dialog is open",
                "document.querySelector('dialog[open]') !== null",
            )
            .await?;
        fits(browser, what).await?;
        browser.press(fantoccini::key::Key::Escape).await?;
    }
    browser.click("Forget token").await?;
    browser
        .until_true(
            "the form is shown",
            "document.getElementById('sign-in').checkVisibility()",
        )
        .await?;
    fits(browser, "the form").await
}

async fn dark_is_dark_and_light_is_light(node: &Node, browser: &Browser) -> Outcome {
    node.install("app", "App", "").await?;
    node.open(browser).await?;
    let brightness = "
        const light = (colour) => colour.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b) / 765;
        const style = getComputedStyle(document.body);
        return [light(style.backgroundColor), light(style.color)];";
    for (scheme, is_dark) in [("light", false), ("dark", true)] {
        browser.prefer(scheme).await?;
        let seen = browser.script(brightness).await?;
        let value = |index: usize| seen[index].as_f64().unwrap_or(0.5);
        let (ground, ink) = if is_dark {
            (1.0 - value(0), value(1))
        } else {
            (value(0), 1.0 - value(1))
        };
        expect(ground > 0.85 && ink > 0.8, || {
            format!("{scheme}: ground and ink are {seen}")
        })?;
    }
    Ok(())
}

async fn nothing_is_asked_of_anybody_else(node: &Node, browser: &Browser) -> Outcome {
    node.install("app", "App", "").await?;
    node.open(browser).await?;
    browser.click("Log of app").await?;
    let seen = browser
        .script("return performance.getEntriesByType('resource').map((entry) => entry.name);")
        .await?;
    let names: Vec<&str> = seen
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    expect(
        names.len() > 8 && names.iter().all(|name| name.starts_with(&node.page())),
        || format!("requests: {names:?}"),
    )?;
    // Nor could a script that got in: the policy forbids what does not come from here.
    let refused = browser
        .script(
            "return new Promise((done) => { \
                 document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective), { once: true }); \
                 const script = document.createElement('script'); \
                 script.textContent = 'window.hacked = 1'; \
                 document.body.append(script); \
             });",
        )
        .await?;
    // That violation was ours.
    browser.complaints().await?;
    expect(refused == "script-src-elem", || {
        format!("an inline script is not refused: {refused}")
    })
}
