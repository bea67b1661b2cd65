//! `archipelago status`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::connection::{Connection, read};
use super::table::{Cell, one_line, render};
use super::view::{Container, Health, Package};
use super::{CliError, colour, output, time};
use crate::clock::{Clock, SystemClock};

/// Asks how everything is, or how one package is.
pub(super) async fn status(connection: &Connection, id: Option<&str>) -> Result<(), CliError> {
    let health = connection.ask("system.health", json!({})).await?;
    let seen: Health = read("system.health", health.clone())?;
    let in_colour = colour::is_wanted();
    if !connection.as_json {
        output::text(&warnings(&seen, in_colour))?;
    }
    let mut packages = connection.ask("package.list", json!({})).await?;
    if let (Some(id), Some(list)) = (id, packages.as_array_mut()) {
        list.retain(|package| package["id"] == id);
        if list.is_empty() {
            return Err(CliError::NotInstalled { id: id.to_owned() });
        }
    }
    if connection.as_json {
        return output::json(&match id {
            Some(_) => packages[0].take(),
            None => json!({ "health": health, "packages": packages }),
        });
    }
    print(packages, id.is_some(), in_colour)
}

fn print(packages: Value, in_detail: bool, in_colour: bool) -> Result<(), CliError> {
    let packages: Vec<Package> = read("package.list", packages)?;
    if in_detail {
        let now = SystemClock.now();
        for package in &packages {
            output::text(&detail(package, now, in_colour))?;
        }
        return Ok(());
    }
    output::text(&overview(&packages, in_colour))
}

/// What is wrong with the daemon itself. Pure.
fn warnings(health: &Health, in_colour: bool) -> String {
    let paint = |text: String, colour: colour::Colour| {
        if in_colour { colour.paint(&text) } else { text }
    };
    let mut text = String::new();
    if let Some(error) = &health.podman_error {
        let line = format!("podman cannot be asked: {}", one_line(error));
        text.push_str(&paint(line, colour::Colour::Red));
        text.push('\n');
    }
    if health.recovering {
        let line = "the daemon is bringing back what ran before".to_owned();
        text.push_str(&paint(line, colour::Colour::Blue));
        text.push('\n');
    }
    text
}

/// One line a package. Pure.
fn overview(packages: &[Package], in_colour: bool) -> String {
    if packages.is_empty() {
        return "no package is installed; `archipelago catalog` lists what there is\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = packages
        .iter()
        .map(|package| {
            vec![
                Cell::new(&package.id),
                Cell::coloured(&package.state, package.colour.as_deref()),
                Cell::new(code(package.exit_code)),
                Cell::new(&package.version),
                Cell::new(&package.why),
            ]
        })
        .collect();
    render(
        &["PACKAGE", "STATE", "CODE", "VERSION", "WHY"],
        &rows,
        in_colour,
    )
}

/// One package and its containers. Pure.
fn detail(package: &Package, now: DateTime<Utc>, in_colour: bool) -> String {
    let mut text = format!(
        "{} {} ({})\n",
        one_line(&package.title),
        one_line(&package.version),
        package.id
    );
    let rows: Vec<Vec<Cell>> = package
        .containers
        .iter()
        .map(|container| {
            vec![
                Cell::new(&container.name),
                Cell::coloured(&container.state, container.colour.as_deref()),
                Cell::new(code(container.exit_code)),
                Cell::new(container.health.as_deref().unwrap_or_default()),
                Cell::new(container.restarts.to_string()),
                Cell::new(why(container, now)),
            ]
        })
        .collect();
    text.push_str(&render(
        &["CONTAINER", "STATE", "CODE", "HEALTH", "RESTARTS", "WHY"],
        &rows,
        in_colour,
    ));
    text
}

/// Why a container is as it is, and what happens next.
fn why(container: &Container, now: DateTime<Utc>) -> String {
    match &container.next {
        None => container.reason.clone(),
        Some(next) => {
            let due = next
                .due
                .map_or_else(String::new, |due| format!(" {}", time::until(due, now)));
            format!("{}; next: {}{due}", container.reason, next.text)
        }
    }
}

fn code(code: Option<i32>) -> String {
    code.map_or_else(String::new, |code| code.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(value: Value) -> Package {
        serde_json::from_value(value).expect("a package")
    }

    #[test]
    fn a_package_is_a_line_and_its_state_has_its_colour() {
        let packages = [
            package(json!({
                "id": "mempool", "title": "Mempool", "version": "3.0.0", "state": "killed (OOM)", "colour": "red",
                "exit_code": 137, "why": "`mempool-api`: it was killed for want of memory, exit code 137", "containers": [],
            })),
            package(json!({
                "id": "files", "title": "Files", "version": "2", "state": "running", "colour": "green",
                "exit_code": null, "why": "it runs", "containers": [],
            })),
        ];
        assert_eq!(
            overview(&packages, false),
            "\
PACKAGE  STATE         CODE  VERSION  WHY
mempool  killed (OOM)  137   3.0.0    `mempool-api`: it was killed for want of memory, exit code 137
files    running             2        it runs
"
        );
        let painted = overview(&packages, true);
        assert!(painted.contains("\x1b[31mkilled (OOM)\x1b[0m"), "{painted}");
        assert!(painted.contains("\x1b[32mrunning\x1b[0m "), "{painted}");
    }

    #[test]
    fn a_package_in_detail_tells_what_happens_next() {
        let package = package(json!({
            "id": "files", "title": "Files", "version": "2", "state": "crashed", "colour": "red", "exit_code": 3,
            "why": "it ended with exit code 3",
            "containers": [{
                "name": "files", "state": "crashed", "colour": "red", "podman_state": "exited", "exit_code": 3,
                "reason": "it ended with exit code 3; restart 3 of 10", "health": null, "restarts": 3,
                "next": { "text": "restart 4 of 10", "due": "1970-01-01T00:01:40Z" },
            }],
        }));
        assert_eq!(
            detail(&package, DateTime::UNIX_EPOCH, false),
            "\
Files 2 (files)
CONTAINER  STATE    CODE  HEALTH  RESTARTS  WHY
files      crashed  3             3         it ended with exit code 3; restart 3 of 10; next: restart 4 of 10 in 1 min 40 s
"
        );
    }

    #[test]
    fn what_is_wrong_with_the_daemon_stands_first() {
        let health: Health = serde_json::from_value(json!({
            "status": "podman failed", "recovering": true, "podman_error": "cannot start `podman`\nNo such file",
        }))
        .expect("health");
        assert_eq!(
            warnings(&health, false),
            "podman cannot be asked: cannot start `podman` No such file\nthe daemon is bringing back what ran before\n"
        );
        let good: Health = serde_json::from_value(json!({ "status": "ok" })).expect("health");
        assert_eq!(warnings(&good, true), "");
    }

    #[test]
    fn without_packages_the_way_to_one_is_told() {
        assert!(overview(&[], false).contains("archipelago catalog"));
    }
}
