//! What is shown of packages, and that it stays true by itself.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::node::Node;
use crate::trial::{Outcome, expect, trials};

trials![Node;
    every_state_has_its_word_its_colour_and_its_code,
    a_container_that_dies_is_seen_dying_and_healed_without_a_reload,
    the_next_restart_counts_down,
    the_history_is_a_line_and_a_list,
    hostile_names_are_shown_and_not_run,
    what_changes_is_said_and_countdowns_are_not,
];

/// The cards, as a person reads them: by package, its texts and colours.
pub(crate) const CARDS: &str = "
    const read = (root, selector) => {
        const found = root.querySelector(selector);
        return found && found.checkVisibility() ? found.textContent.replace(/\\s+/g, ' ').trim() : '';
    };
    return Object.fromEntries([...document.querySelectorAll('.package')].map((card) => [card.dataset.package, {
        title: read(card, 'h3'),
        state: read(card, '.state .word'),
        colour: card.querySelector('.state .badge').dataset.colour,
        paint: getComputedStyle(card).borderTopColor,
        code: read(card, '.state .code'),
        why: read(card, ':scope > .why'),
        next: read(card, ':scope > .next'),
        step: read(card, '.work .step'),
        containers: [...card.querySelectorAll('.container')].map((row) => ({
            name: read(row, 'h4'), state: read(row, '.word'), code: read(row, '.line .code'), next: read(row, '.next'),
        })),
    }]));";

/// Packages whose containers stay as they ended: they wait for one that the user stopped.
pub(crate) const WAITS: &str = "depends_on = [\"base\"]";

async fn every_state_has_its_word_its_colour_and_its_code(
    node: &Node,
    browser: &Browser,
) -> Outcome {
    node.install("base", "Base", "tier = 0").await?;
    for id in ["crashed", "hog", "dark", "ended"] {
        node.install(id, id, WAITS).await?;
    }
    node.install("well", "Well", "").await?;
    node.rpc("package.stop", json!({ "id": "base" })).await?;
    node.poke("crashed", "exit 3").await?;
    node.poke("ended", "exit 0").await?;
    node.poke("hog", "oom").await?;
    node.open(browser).await?;
    browser
        .until("what ended is shown", CARDS, |cards| {
            cards["hog"]["state"] == "killed (OOM)" && cards["ended"]["state"] == "stopped"
        })
        .await?;
    node.podman.power_loss();
    node.look();
    let cards = browser
        .until("all states are shown", CARDS, |cards| {
            cards["dark"]["state"] == "interrupted" && cards["well"]["state"] == "running"
        })
        .await?;
    for (id, state, colour, code) in [
        ("base", "stopped", "grey", "exit code 0"),
        ("crashed", "crashed", "red", "exit code 3"),
        ("hog", "killed (OOM)", "red", "exit code 137"),
        ("dark", "interrupted", "amber", "exit code 0"),
        ("ended", "stopped", "grey", "exit code 0"),
        ("well", "running", "green", ""),
    ] {
        let card = &cards[id];
        expect(
            card["state"] == state && card["colour"] == colour && card["code"] == code,
            || format!("`{id}` is not {state}, {colour}, {code:?}: {card:#}"),
        )?;
    }
    // The colours are really other ones, and equal where the word for them is.
    let paint = |id: &str| cards[id]["paint"].clone();
    expect(
        paint("crashed") == paint("hog")
            && paint("crashed") != paint("dark")
            && paint("dark") != paint("well")
            && paint("well") != paint("ended"),
        || format!("colours are mixed up: {cards:#}"),
    )?;
    expect(
        cards["crashed"]["why"] == "It ended with exit code 3"
            && cards["crashed"]["next"] == "waits for base, which the user stopped",
        || format!("why, or what is next, is missing: {:#}", cards["crashed"]),
    )
}

async fn a_container_that_dies_is_seen_dying_and_healed_without_a_reload(
    node: &Node,
    browser: &Browser,
) -> Outcome {
    node.install("base", "Base", "tier = 0").await?;
    node.install("app", "App", WAITS).await?;
    node.open(browser).await?;
    browser
        .until("it runs", CARDS, |cards| cards["app"]["state"] == "running")
        .await?;
    browser.script("window.sameDocument = true;").await?;
    node.rpc("package.stop", json!({ "id": "base" })).await?;
    node.poke("app", "exit 7").await?;
    browser
        .until("its crash is seen", CARDS, |cards| {
            cards["app"]["state"] == "crashed" && cards["app"]["code"] == "exit code 7"
        })
        .await?;
    node.rpc("package.start", json!({ "id": "base" })).await?;
    browser
        .until("it is seen healed", CARDS, |cards| {
            cards["app"]["state"] == "running" && cards["app"]["code"] == ""
        })
        .await?;
    let history = "return document.querySelector('[data-container=app] summary').textContent;";
    browser
        .until("its end is remembered", history, |text| {
            text == "1 end of app"
        })
        .await?;
    browser
        .until_true(
            "the page was not loaded anew",
            "window.sameDocument === true",
        )
        .await
}

/// Seconds in words such as `1 min 40 s`.
fn seconds(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.chunks(2).try_fold(0, |sum, pair| {
        let count: u64 = pair.first()?.parse().ok()?;
        match *pair.get(1)? {
            "min" => Some(sum + 60 * count),
            "s" => Some(sum + count),
            _ => None,
        }
    })
}

async fn the_next_restart_counts_down(node: &Node, browser: &Browser) -> Outcome {
    node.install("app", "App", "").await?;
    node.open(browser).await?;
    let attempts = |wanted: u64| {
        move |list: &Value| list[0]["restarts"] == wanted && list[0]["state"] == "running"
    };
    // The first restart comes at once, the second one after the interval.
    node.poke("app", "exit 1").await?;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let list = node.rpc("container.list", json!({})).await?;
        if attempts(1)(&list) {
            break;
        }
        expect(tokio::time::Instant::now() < deadline, || {
            format!("it is not restarted: {list:#}")
        })?;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    node.poke("app", "exit 1").await?;
    let prefix = "restart 2 of 10 in ";
    let left = |cards: &Value| {
        let text = cards["app"]["next"].as_str()?.strip_prefix(prefix)?;
        seconds(text)
    };
    let cards = browser
        .until("the countdown is seen", CARDS, |cards| {
            left(cards).is_some()
        })
        .await?;
    let first = left(&cards).unwrap_or_default();
    expect((90..=120).contains(&first), || {
        format!("the interval is 120 s, and it counts from {first} s")
    })?;
    browser
        .until("it counts down by itself", CARDS, |cards| {
            left(cards).is_some_and(|now| now + 2 <= first)
        })
        .await
        .map(drop)
}

async fn the_history_is_a_line_and_a_list(node: &Node, browser: &Browser) -> Outcome {
    node.install("base", "Base", "tier = 0").await?;
    node.install("app", "App", WAITS).await?;
    for code in [3, 4] {
        node.rpc("package.stop", json!({ "id": "base" })).await?;
        node.poke("app", &format!("exit {code}")).await?;
        node.open(browser).await?;
        browser
            .until("its crash is seen", CARDS, |cards| {
                cards["app"]["code"] == format!("exit code {code}")
            })
            .await?;
        node.rpc("package.start", json!({ "id": "base" })).await?;
        node.rpc("package.start", json!({ "id": "app" })).await?;
    }
    let history = "
        const row = document.querySelector('[data-container=app]');
        row.querySelector('details').open = true;
        return {
            marks: [...row.querySelectorAll('.mark')].map((mark) => mark.dataset.colour),
            up: row.querySelectorAll('.up').length,
            list: [...row.querySelectorAll('.exits li')].map((item) => item.querySelector('.word').textContent + ' ' + item.querySelector('.code').textContent),
        };";
    let expected = json!({
        "marks": ["red", "red"],
        "up": 1,
        "list": ["crashed exit code 4", "crashed exit code 3"],
    });
    browser
        .until("both ends are in the history", history, |seen| {
            *seen == expected
        })
        .await
        .map(drop)
}

async fn hostile_names_are_shown_and_not_run(node: &Node, browser: &Browser) -> Outcome {
    let title = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=2</script>";
    node.install("evil", title, "").await?;
    node.offer(
        "worse",
        "<b>bold</b> & \"quoted\" \u{202e}txt",
        "<i>1</i>",
        &crate::node::container("worse", ""),
    );
    node.open(browser).await?;
    let cards = browser
        .until("it is shown", CARDS, |cards| {
            cards["evil"]["state"] == "running"
        })
        .await?;
    expect(cards["evil"]["title"] == title, || {
        format!("the title is not shown as it is: {cards:#}")
    })?;
    let found = browser
        .script("return { hacked: window.hacked ?? null, elements: document.querySelectorAll('main img, main script, main b, main i').length, offer: document.querySelector('[data-entry=worse] .version').textContent };")
        .await?;
    expect(
        found == json!({ "hacked": null, "elements": 0, "offer": "<i>1</i>" }),
        || format!("markup came out of a name: {found}"),
    )
}

async fn what_changes_is_said_and_countdowns_are_not(node: &Node, browser: &Browser) -> Outcome {
    node.install("base", "Base", "tier = 0").await?;
    node.install("app", "My app", WAITS).await?;
    node.open(browser).await?;
    // All that the live regions say from here on.
    browser
        .script(
            "window.heard = []; \
             for (const region of document.querySelectorAll('[aria-live=polite], [role=status], [role=alert]')) { \
                 new MutationObserver(() => region.getAttribute('aria-live') !== 'off' && window.heard.push(region.textContent)) \
                     .observe(region, { childList: true, characterData: true, subtree: true }); \
             }",
        )
        .await?;
    node.rpc("package.stop", json!({ "id": "base" })).await?;
    node.poke("app", "exit 5").await?;
    let heard = "return window.heard;";
    let has = |heard: &Value, wanted: &str| {
        let texts = heard.as_array().into_iter().flatten();
        texts
            .filter_map(Value::as_str)
            .any(|text| text.contains(wanted))
    };
    let said = browser
        .until("the crash is said", heard, |heard| {
            has(heard, "My app is crashed, exit code 5")
        })
        .await?;
    expect(has(&said, "Base is stopped"), || {
        format!("the stop was not said: {said}")
    })?;
    expect(!has(&said, " s ago") && !has(&said, " in "), || {
        format!("countdowns are said: {said}")
    })
}
