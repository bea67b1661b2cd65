//! `archipelago catalog`.

use serde_json::json;

use super::connection::{Connection, read};
use super::table::{Cell, render};
use super::view::Offer;
use super::{CliError, colour, output};

/// Lists what can be installed.
pub(super) async fn catalog(connection: &Connection) -> Result<(), CliError> {
    let answer = connection.ask("catalog.list", json!({})).await?;
    if connection.as_json {
        return output::json(&answer);
    }
    let offers: Vec<Offer> = read("catalog.list", answer)?;
    output::text(&table(&offers, colour::is_wanted()))
}

/// One line a package, and one for each thing that keeps it from being installed. Pure.
fn table(offers: &[Offer], in_colour: bool) -> String {
    let mut rows = Vec::new();
    for offer in offers {
        let (word, colour) = if !offer.problems.is_empty() {
            ("bad manifest", "red")
        } else if offer.installed {
            ("installed", "green")
        } else if offer.not_installable.is_some() {
            ("not installable", "amber")
        } else {
            ("", "grey")
        };
        let row = |what: &str| {
            vec![
                Cell::new(&offer.id),
                Cell::new(&offer.version),
                Cell::coloured(word, Some(colour)),
                Cell::new(what),
            ]
        };
        if offer.problems.is_empty() {
            let what = match &offer.not_installable {
                Some(reason) => reason.to_string(),
                None if offer.description.is_empty() => offer.title.clone(),
                None => format!("{}: {}", offer.title, offer.description),
            };
            rows.push(row(&what));
        }
        rows.extend(offer.problems.iter().map(|problem| {
            row(&format!(
                "{}: `{}`: {}",
                problem.file, problem.key, problem.what
            ))
        }));
    }
    render(&["PACKAGE", "VERSION", "", "WHAT"], &rows, in_colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_and_what_cannot_be_is_told() {
        let offers: Vec<Offer> = serde_json::from_value(json!([
            { "id": "files", "title": "Files", "version": "2", "installed": true, "images": [], "problems": [] },
            { "id": "hub", "title": "Hub", "version": "1", "installed": false, "images": [], "problems": [],
              "not_installable": { "kind": "no_image", "containers": ["hub-api"] } },
            { "id": "lnd", "title": "LND", "description": "Lightning node.", "version": "0.18.4", "installed": false, "images": [], "problems": [] },
            { "id": "own", "title": "", "version": "", "installed": false, "images": [],
              "problems": [{ "package": "own", "file": "own.toml", "key": "id", "what": "is missing" }] },
        ]))
        .expect("offers");
        assert_eq!(
            table(&offers, false),
            "\
PACKAGE  VERSION                   WHAT
files    2        installed        Files
hub      1        not installable  no image is known for `hub-api`; name one in a manifest of your own, or as `dockerImage`
lnd      0.18.4                    LND: Lightning node.
own               bad manifest     own.toml: `id`: is missing
"
        );
    }
}
