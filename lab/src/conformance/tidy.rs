//! What has to be removed after a case, so that the next one begins with nothing but the fixture image.

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::FIXTURE;
use super::podman::words;
use super::transcript::Outcome;

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tidying {
    /// podman's arguments, in this order.
    pub(super) commands: Vec<Vec<String>>,
    /// The fixture image has to be loaded after that.
    pub(super) load: bool,
}

/// Decides by the looks at the end of a case. A look that failed or cannot be read counts as "there is something".
pub(super) fn tidying(looks: &BTreeMap<String, Outcome>) -> Tidying {
    let list = |look: &str| -> Option<Vec<Value>> {
        let outcome = looks.get(look).filter(|outcome| outcome.code == 0)?;
        serde_json::from_str(&outcome.stdout).ok()
    };
    let something = |look: &str| list(look).is_none_or(|rows| !rows.is_empty());
    let mut tidying = Tidying::default();
    if something("ps") {
        // All and not by name: one that ends and removes itself meanwhile would keep podman 4.3 from removing any.
        let argv = ["rm", "--all", "--force", "--time", "0", "--volumes"];
        tidying.commands.push(words(&argv));
    }
    if something("volumes") {
        tidying
            .commands
            .push(words(&["volume", "rm", "--all", "--force"]));
    }
    let networks = list("networks").unwrap_or_default();
    let networks: Vec<&str> = networks
        .iter()
        .filter_map(|network| network["name"].as_str())
        .filter(|&name| name != "podman")
        .collect();
    if !networks.is_empty() {
        let argv = [&["network", "rm", "--force"], networks.as_slice()].concat();
        tidying.commands.push(words(&argv));
    }
    let secrets = looks.get("secrets");
    if secrets.is_none_or(|secrets| secrets.code != 0 || !secrets.stdout.trim().is_empty()) {
        tidying.commands.push(words(&["secret", "rm", "--all"]));
    }
    let images = list("images").unwrap_or_default();
    let (pristine, others): (Vec<&Value>, Vec<&Value>) =
        images.iter().partition(|image| is_pristine(image));
    tidying.load = pristine.is_empty();
    for image in others {
        if let Some(id) = image["Id"].as_str() {
            let argv = words(&["rmi", "--force", id]);
            // An image with several names has a row for each.
            if !tidying.commands.contains(&argv) {
                tidying.commands.push(argv);
            }
        }
    }
    tidying
}

/// The fixture image, with the one name that it has from the beginning, now and ever.
fn is_pristine(image: &Value) -> bool {
    let only = |key: &str| match &image[key] {
        Value::Array(names) => names.len() == 1 && names[0] == FIXTURE,
        _ => false,
    };
    only("Names") && (image["History"].is_null() || only("History"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(changed: &[(&str, &str)]) -> BTreeMap<String, Outcome> {
        let fixture = format!(r#"[{{"Id":"f","Names":["{FIXTURE}"],"History":["{FIXTURE}"]}}]"#);
        let nothing = [
            ("ps", "[]\n"),
            ("volumes", "[]"),
            ("networks", r#"[{"name":"podman"}]"#),
            ("secrets", "\n"),
            ("images", &fixture),
        ];
        let outcome = |stdout: &str| Outcome {
            stdout: stdout.into(),
            ..Outcome::default()
        };
        nothing
            .iter()
            .chain(changed)
            .map(|(name, stdout)| ((*name).to_owned(), outcome(stdout)))
            .collect()
    }

    fn lines(tidying: &Tidying) -> Vec<String> {
        tidying.commands.iter().map(|argv| argv.join(" ")).collect()
    }

    #[test]
    fn where_nothing_was_made_nothing_is_done() {
        assert_eq!(tidying(&looks(&[])), Tidying::default());
    }

    #[test]
    fn what_was_made_is_removed_and_no_more() {
        let tidying = tidying(&looks(&[
            ("ps", r#"[{"Names":["a"]}]"#),
            ("volumes", r#"[{"Name":"v"}]"#),
            (
                "networks",
                r#"[{"name":"podman"},{"name":"n"},{"name":"m"}]"#,
            ),
            ("secrets", "s\n"),
        ]));
        assert_eq!(
            lines(&tidying),
            [
                "rm --all --force --time 0 --volumes",
                "volume rm --all --force",
                "network rm --force n m",
                "secret rm --all",
            ]
        );
        assert!(!tidying.load);
    }

    #[test]
    fn a_fixture_image_with_another_name_or_a_past_is_loaded_anew() {
        let named = format!(r#"[{{"Id":"f","Names":["{FIXTURE}","localhost:5000/app:1"]}}]"#);
        let past = format!(r#"[{{"Id":"f","Names":["{FIXTURE}"],"History":["{FIXTURE}","x"]}}]"#);
        for images in [named, past] {
            let tidying = tidying(&looks(&[("images", &images)]));
            assert_eq!(lines(&tidying), ["rmi --force f"], "{images}");
            assert!(tidying.load, "{images}");
        }
        let removed = tidying(&looks(&[("images", "[]")]));
        assert!(removed.commands.is_empty() && removed.load);
    }

    #[test]
    fn another_image_goes_once_and_the_fixture_stays() {
        let images = format!(
            r#"[{{"Id":"x","Names":["b:1"]}},{{"Id":"x","Names":["b:2"]}},{{"Id":"f","Names":["{FIXTURE}"]}}]"#
        );
        let tidying = tidying(&looks(&[("images", &images)]));
        assert_eq!(lines(&tidying), ["rmi --force x"]);
        assert!(!tidying.load);
    }

    #[test]
    fn a_look_that_failed_counts_as_something() {
        let mut looks = looks(&[]);
        looks.insert(
            "ps".into(),
            Outcome {
                code: 125,
                ..Outcome::default()
            },
        );
        assert_eq!(
            lines(&tidying(&looks)),
            ["rm --all --force --time 0 --volumes"]
        );
    }
}
