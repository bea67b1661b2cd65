//! Answers that are printed as they are.

use serde_json::{Value, json};

use super::connection::Connection;
use super::{CliError, output};

/// `archipelago rpc`.
pub(super) async fn rpc(
    connection: &Connection,
    method: &str,
    params: &str,
) -> Result<(), CliError> {
    let params: Value =
        serde_json::from_str(params).map_err(|source| CliError::ParamsNotJson { source })?;
    match connection.client.call(method, &params).await {
        Ok(result) => output::json(&result),
        Err(error) => {
            if let (crate::client::ClientError::Failed { error }, false) =
                (&error, connection.as_json)
            {
                // All of it, for scripts; the message alone goes to standard error.
                output::json(error)?;
            }
            Err(error.into())
        }
    }
}

/// `archipelago reconcile`.
pub(super) async fn reconcile(connection: &Connection, id: Option<&str>) -> Result<(), CliError> {
    let params = id.map_or_else(|| json!({}), |id| json!({ "id": id }));
    // It stops and makes containers: as long as their graces.
    let report = connection.client.call("package.reconcile", &params).await?;
    if connection.as_json {
        output::json(&report)?;
    } else {
        output::text(&reconciled(&report))?;
    }
    match failures(&report) {
        0 => Ok(()),
        count => Err(CliError::NotReconciled { count }),
    }
}

/// How much a reconcile could not bring about. Pure.
fn failures(report: &Value) -> usize {
    report["failed"].as_array().map_or(0, Vec::len)
}

/// What a reconcile did, in lines. Pure.
fn reconciled(report: &Value) -> String {
    let mut text = String::new();
    for (key, words) in [
        ("recreated", "made anew"),
        ("unchanged", "as it should be"),
        ("failed", "failed"),
        ("outdated", "the catalog has something else, update it"),
        ("strangers", "not ours, left alone"),
    ] {
        for item in report[key].as_array().into_iter().flatten() {
            // A text, or an object whose values say what it is.
            let words_of = |value: &Value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            };
            let what = match item.as_object() {
                Some(object) => object.values().map(words_of).collect::<Vec<_>>().join(" "),
                None => words_of(item),
            };
            text.push_str(&format!("{words}: {}\n", super::table::one_line(&what)));
        }
    }
    if text.is_empty() {
        text.push_str("nothing is installed\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_told_line_by_line() {
        let stranger = json!({ "kind": "container", "name": "mine" });
        let report = json!({ "recreated": ["db"], "unchanged": ["web"], "strangers": [stranger] });
        assert_eq!(
            reconciled(&report),
            "made anew: db\nas it should be: web\nnot ours, left alone: container mine\n"
        );
        let none = json!({ "recreated": [], "unchanged": [], "strangers": [] });
        assert_eq!(reconciled(&none), "nothing is installed\n");
        let failed = json!({ "failed": ["`db` cannot be made anew"] });
        assert_eq!(
            (failures(&report), failures(&none), failures(&failed)),
            (0, 0, 1)
        );
    }
}
