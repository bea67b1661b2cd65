//! `archipelago logs`.

use serde_json::{Value, json};

use super::connection::Connection;
use super::view::Package;
use super::{CliError, output};
use crate::api::codes;
use crate::client::ClientError;

/// Prints the last lines of a container, or, where there is none of that name, of each container of the package.
pub(super) async fn logs(connection: &Connection, name: &str, lines: u32) -> Result<(), CliError> {
    match of_container(connection, name, lines).await {
        Ok(answer) if connection.as_json => return output::json(&answer),
        Ok(answer) => return output::text(&text_of(&answer)),
        Err(ClientError::Failed { error }) if error["code"] == codes::NO_SUCH_CONTAINER => {}
        Err(error) => return Err(error.into()),
    }
    let packages: Vec<Package> = connection.ask_for("package.list", json!({})).await?;
    let found = packages.into_iter().find(|package| package.id == name);
    let Some(package) = found else {
        return Err(CliError::NotInstalled {
            id: name.to_owned(),
        });
    };
    let mut answers = Vec::new();
    for container in &package.containers {
        answers.push(of_container(connection, &container.name, lines).await?);
    }
    if connection.as_json {
        return output::json(&Value::Array(answers));
    }
    output::text(&text_of_several(&answers))
}

async fn of_container(
    connection: &Connection,
    name: &str,
    lines: u32,
) -> Result<Value, ClientError> {
    let params = json!({ "name": name, "tail": lines });
    connection.ask("container.logs", params).await
}

/// The lines of one container as they are, but for what would control the terminal. Pure.
fn text_of(answer: &Value) -> String {
    let lines = answer["lines"].as_array().into_iter().flatten();
    lines
        .filter_map(Value::as_str)
        .map(|line| {
            let line: String = line
                .chars()
                .map(|c| {
                    if c.is_control() && c != '\t' {
                        '\u{fffd}'
                    } else {
                        c
                    }
                })
                .collect();
            line + "\n"
        })
        .collect()
}

/// As `tail` prints several files. Pure.
fn text_of_several(answers: &[Value]) -> String {
    let texts: Vec<String> = answers
        .iter()
        .map(|answer| {
            let name = answer["name"].as_str().unwrap_or_default();
            format!("==> {name} <==\n{}", text_of(answer))
        })
        .collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cannot_control_the_terminal() {
        let answer = json!({ "name": "a", "lines": ["x\ty", "\u{1b}[2Jz"] });
        assert_eq!(text_of(&answer), "x\ty\n\u{fffd}[2Jz\n");
    }

    #[test]
    fn containers_of_a_package_stand_under_their_names() {
        let answers = [
            json!({ "name": "db", "lines": ["one"] }),
            json!({ "name": "web", "lines": [] }),
        ];
        assert_eq!(
            text_of_several(&answers),
            "==> db <==\none\n\n==> web <==\n"
        );
    }
}
