//! What assistive technology and weak eyes get.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::node::Node;
use crate::shown::CARDS;
use crate::trial::{Outcome, expect, trials};

trials![Node;
    every_control_has_a_name_of_its_own,
    landmarks_and_headings_are_in_order,
    texts_have_contrast_in_light_and_dark,
];

/// A page with something of everything on it.
pub(crate) async fn everything(node: &Node, browser: &Browser) -> Outcome {
    node.install("base", "Base", "tier = 0").await?;
    for id in ["crashed", "hog", "dark", "ended"] {
        node.install(id, id, crate::shown::WAITS).await?;
    }
    node.install("well", "Well", "").await?;
    let two = [
        crate::node::container("two-db", "tier = 0"),
        crate::node::container("two-web", "depends_on = [\"two-db\"]"),
    ];
    node.offer("two", "Two", "1.0", &two.concat());
    node.rpc("package.install", json!({ "id": "two" })).await?;
    node.offer(
        "bad",
        "Bad",
        "1.0",
        &crate::node::container("bad", "tier = 9"),
    );
    node.rpc("package.stop", json!({ "id": "base" })).await?;
    node.poke("hog", "oom").await?;
    node.poke("crashed", "exit 3").await?;
    node.open(browser).await?;
    browser
        .until("what ended is shown", CARDS, |cards| {
            cards["hog"]["state"] == "killed (OOM)" && cards["crashed"]["state"] == "crashed"
        })
        .await?;
    node.podman.power_loss();
    node.look();
    browser
        .until("all is shown", CARDS, |cards| {
            cards["dark"]["state"] == "interrupted"
                && cards["well"]["state"] == "running"
                && cards["two"]["state"] == "running"
        })
        .await?;
    browser
        .script("for (const details of document.querySelectorAll('details')) details.open = true;")
        .await
        .map(drop)
}

/// Role and name of all that the browser tells assistive technology of, in order.
async fn told(browser: &Browser) -> Result<Vec<(String, String)>, String> {
    browser.devtools("Accessibility.enable", json!({})).await?;
    let tree = browser
        .devtools("Accessibility.getFullAXTree", json!({}))
        .await?;
    let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
    Ok(tree["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|node| node["ignored"] != true)
        .map(|node| (text(&node["role"]), text(&node["name"])))
        .collect())
}

async fn every_control_has_a_name_of_its_own(node: &Node, browser: &Browser) -> Outcome {
    everything(node, browser).await?;
    let controls = [
        "button",
        "link",
        "checkbox",
        "textbox",
        "searchbox",
        "DisclosureTriangle",
        "progressbar",
    ];
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for step in ["", "Uninstall Well", "Log of well"] {
        if !step.is_empty() {
            browser.click(step).await?;
        }
        let told = told(browser).await?;
        seen.clear();
        for (role, name) in told {
            if controls.contains(&role.as_str()) {
                expect(!name.trim().is_empty(), || {
                    format!("after {step:?} a {role} has no name")
                })?;
                *seen.entry((role, name)).or_default() += 1;
            }
        }
        let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
        expect(twice.is_empty(), || {
            format!("after {step:?} these cannot be told apart: {twice:?}")
        })?;
        if step.is_empty() {
            // That the check sees what there is.
            for wanted in [
                "Stop Well",
                "Start crashed",
                "Log of two-db",
                "Install File Browser",
            ] {
                expect(
                    seen.contains_key(&("button".to_owned(), wanted.to_owned())),
                    || format!("no button `{wanted}` among {seen:#?}"),
                )?;
            }
        } else {
            browser.press(fantoccini::key::Key::Escape).await?;
        }
    }
    browser.script("sessionStorage.clear();").await?;
    browser.open(&node.page()).await?;
    browser
        .until_true(
            "the form is shown",
            "document.getElementById('sign-in').checkVisibility()",
        )
        .await?;
    let told = told(browser).await?;
    expect(
        told.contains(&("textbox".to_owned(), "Token".to_owned()))
            && told.contains(&("button".to_owned(), "Show the node".to_owned())),
        || format!("the form is not told: {told:?}"),
    )
}

async fn landmarks_and_headings_are_in_order(node: &Node, browser: &Browser) -> Outcome {
    everything(node, browser).await?;
    let told = told(browser).await?;
    for landmark in ["banner", "main", "contentinfo"] {
        let count = told.iter().filter(|(role, _)| role == landmark).count();
        expect(count == 1, || format!("{count} of the landmark {landmark}"))?;
    }
    for section in ["Packages", "Catalog"] {
        expect(
            told.contains(&("region".to_owned(), section.to_owned())),
            || format!("no region `{section}`: {told:?}"),
        )?;
    }
    // Each package is an article by its own title.
    expect(
        told.contains(&("article".to_owned(), "Well".to_owned())),
        || "a card is no article of its title".to_owned(),
    )?;
    let levels = browser
        .script(
            "return [...document.querySelectorAll('h1, h2, h3, h4')].filter((h) => h.checkVisibility()).map((h) => Number(h.tagName[1]));",
        )
        .await?;
    let levels: Vec<i64> = levels
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_i64)
        .collect();
    expect(
        levels.first() == Some(&1)
            && levels.iter().filter(|level| **level == 1).count() == 1
            && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        || format!("headings jump: {levels:?}"),
    )?;
    let language = browser
        .script("return document.documentElement.lang;")
        .await?;
    expect(language == "en", || format!("the language is {language}"))
}

/// Every text that is seen and has less contrast than it needs, by WCAG 2: 4.5, or 3 for large ones.
const CONTRAST: &str = "
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const over = (top, under) => top.slice(0, 3).map((v, i) => (v * top[3] + under[i] * (255 - top[3])) / 255);
    const ground = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
    };
    const weak = [];
    let texts = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        if (text === '' || !element.checkVisibility() || element.closest('.only-read, .skip, script, noscript, [aria-disabled=true]')) continue;
        texts += 1;
        const style = getComputedStyle(element);
        const behind = ground(element);
        const ink = over(rgba(style.color), behind);
        const [a, b] = [light(ink), light(behind)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        if (ratio < (isLarge ? 3 : 4.5)) weak.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)} (${element.className || element.tagName})`);
    }
    return { texts, weak };";

async fn texts_have_contrast_in_light_and_dark(node: &Node, browser: &Browser) -> Outcome {
    everything(node, browser).await?;
    // One that failed, with its red box.
    node.offer(
        "broken",
        "Broken",
        "1.0",
        &crate::node::container("broken", "").replace("serve\", \"8080", "exit\", \"4"),
    );
    drop(node.rpc("package.install", json!({ "id": "broken" })).await);
    browser
        .until_true(
            "the failure is shown",
            "document.querySelector('[data-entry=broken] .failure')?.checkVisibility() === true",
        )
        .await?;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await?;
        let found = browser.script(CONTRAST).await?;
        expect(
            found["weak"] == json!([]) && found["texts"].as_u64() > Some(60),
            || format!("{scheme}: {found:#}"),
        )?;
    }
    Ok(())
}
