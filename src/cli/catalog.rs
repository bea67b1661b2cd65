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
            rows.push(row(&offer.title));
        }
        rows.extend(offer.problems.iter().map(|problem| {
            row(&format!(
                "{}: `{}`: {}",
                problem.file, problem.key, problem.what
            ))
        }));
    }
    render(&["PACKAGE", "VERSION", "", "TITLE"], &rows, in_colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_and_what_cannot_be_is_told() {
        let offers: Vec<Offer> = serde_json::from_value(json!([
            { "id": "files", "title": "Files", "version": "2", "installed": true, "images": [], "problems": [] },
            { "id": "lnd", "title": "LND", "version": "0.18.4", "installed": false, "images": [], "problems": [] },
            { "id": "own", "title": "", "version": "", "installed": false, "images": [],
              "problems": [{ "package": "own", "file": "own.toml", "key": "id", "what": "is missing" }] },
        ]))
        .expect("offers");
        assert_eq!(
            table(&offers, false),
            "\
PACKAGE  VERSION                TITLE
files    2        installed     Files
lnd      0.18.4                 LND
own               bad manifest  own.toml: `id`: is missing
"
        );
    }
}
