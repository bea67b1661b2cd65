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

/// One line a package. Pure.
fn table(offers: &[Offer], in_colour: bool) -> String {
    let rows: Vec<Vec<Cell>> = offers
        .iter()
        .map(|offer| {
            vec![
                Cell::new(&offer.id),
                Cell::new(&offer.version),
                Cell::new(&offer.title),
            ]
        })
        .collect();
    render(&["PACKAGE", "VERSION", "TITLE"], &rows, in_colour)
}
