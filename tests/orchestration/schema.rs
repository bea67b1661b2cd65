//! The OpenRPC document says what the service does.

use std::collections::BTreeMap;

use archipelago::api::codes;
use serde_json::{Value, json};

use super::node::Node;

async fn document(node: &Node) -> Value {
    let (status, document) = node.get("/rpc/v1/schema", &[]).await;
    assert_eq!(status, 200, "{document}");
    document
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("`{key}` is no list in {value}"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("`{key}` is no text in {value}"))
}

/// The code behind a `$ref` of the document.
fn code(document: &Value, reference: &Value) -> i64 {
    let pointer = text(reference, "$ref").trim_start_matches('#');
    let error = document.pointer(pointer);
    error
        .and_then(|error| error["code"].as_i64())
        .unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// What of `value` does not fit `schema`: the part of JSON Schema that the document uses.
fn misfit(document: &Value, schema: &Value, value: &Value, path: &str) -> Option<String> {
    let Value::Object(schema) = schema else {
        return (schema == &json!(false)).then(|| format!("{path}: nothing fits"));
    };
    for (word, rule) in schema {
        let found =
            match word.as_str() {
                "$ref" => {
                    let pointer = rule.as_str().expect("a reference").trim_start_matches('#');
                    match document.pointer(pointer) {
                        Some(schema) => misfit(document, schema, value, path),
                        None => Some(format!("{path}: {rule} leads nowhere")),
                    }
                }
                "type" => {
                    let names = rule
                        .as_array()
                        .cloned()
                        .unwrap_or_else(|| vec![rule.clone()]);
                    let fits = |name: &Value| match name.as_str() {
                        Some("null") => value.is_null(),
                        Some("boolean") => value.is_boolean(),
                        Some("integer") => value.is_i64() || value.is_u64(),
                        Some("number") => value.is_number(),
                        Some("string") => value.is_string(),
                        Some("array") => value.is_array(),
                        Some("object") => value.is_object(),
                        _ => false,
                    };
                    (!names.iter().any(fits)).then(|| format!("{path}: {value} is not {rule}"))
                }
                "enum" => {
                    let words = rule.as_array().expect("a list");
                    (!words.contains(value)).then(|| format!("{path}: {value} is not of {rule}"))
                }
                "const" => (rule != value).then(|| format!("{path}: {value} is not {rule}")),
                "anyOf" | "oneOf" => {
                    let misfits: Vec<Option<String>> = rule
                        .as_array()
                        .expect("a list")
                        .iter()
                        .map(|schema| misfit(document, schema, value, path))
                        .collect();
                    let fits = misfits.iter().any(Option::is_none);
                    (!fits).then(|| format!("{path}: none of {misfits:?}"))
                }
                "allOf" => rule
                    .as_array()
                    .expect("a list")
                    .iter()
                    .find_map(|schema| misfit(document, schema, value, path)),
                "items" => {
                    value
                        .as_array()
                        .into_iter()
                        .flatten()
                        .enumerate()
                        .find_map(|(index, item)| {
                            misfit(document, rule, item, &format!("{path}[{index}]"))
                        })
                }
                "required" => rule
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter_map(Value::as_str)
                    .find(|name| value.is_object() && value.get(name).is_none())
                    .map(|name| format!("{path}: `{name}` is missing")),
                "properties" | "additionalProperties" => None,
                "minimum" => (value.as_f64() < rule.as_f64())
                    .then(|| format!("{path}: {value} is below {rule}")),
                "maximum" => (value.as_f64() > rule.as_f64())
                    .then(|| format!("{path}: {value} is above {rule}")),
                // Words for people.
                "title" | "description" | "default" | "format" | "uniqueItems" => None,
                other => Some(format!("{path}: `{other}` is not known to this test")),
            };
        if found.is_some() {
            return found;
        }
    }
    // What is not described is a drift, also where the schema would let it pass.
    let properties = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties");
    if properties.is_none() && others.is_none() {
        return None;
    }
    value
        .as_object()
        .into_iter()
        .flatten()
        .find_map(|(name, item)| {
            let path = format!("{path}.{name}");
            match (properties.and_then(|known| known.get(name)), others) {
                (Some(schema), _) => misfit(document, schema, item, &path),
                (None, Some(others)) => misfit(document, others, item, &path),
                (None, None) => Some(format!("{path} is not described")),
            }
        })
}

#[tokio::test(start_paused = true)]
async fn it_is_a_document_that_says_everything() {
    let node = Node::new().await;
    let document = document(&node).await;
    assert_eq!(text(&document, "openrpc"), "1.3.2");
    for method in list(&document, "methods") {
        let name = text(method, "name");
        assert!(!text(method, "summary").is_empty(), "{name}");
        assert_eq!(text(method, "paramStructure"), "by-name");
        for parameter in list(method, "params") {
            assert!(
                !text(parameter, "description").is_empty(),
                "{name}: {parameter}"
            );
        }
        for error in list(method, "errors") {
            let code = code(&document, error);
            assert!(codes::ALL.iter().any(|known| known.code == code), "{code}");
        }
        assert!(method["result"]["schema"].is_object(), "{name}");
    }
    // Every reference leads somewhere.
    let whole = document.to_string();
    for part in whole.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().expect("split gives one");
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

#[tokio::test(start_paused = true)]
async fn codes_are_told_apart() {
    let mut names = BTreeMap::new();
    for code in codes::ALL {
        assert!(!code.meaning.is_empty(), "{}", code.name);
        assert_eq!(names.insert(code.code, code.name), None, "{}", code.code);
    }
    assert_eq!(codes::BUSY, -32013, "a code keeps its meaning");
}

#[tokio::test(start_paused = true)]
async fn every_method_of_the_document_is_called_and_its_example_fits() {
    let node = Node::new().await;
    let document = document(&node).await;
    for method in list(&document, "methods") {
        let name = text(method, "name");
        for example in list(method, "examples") {
            let given = list(example, "params").iter();
            let params: serde_json::Map<String, Value> = given
                .map(|parameter| {
                    (
                        text(parameter, "name").to_owned(),
                        parameter["value"].clone(),
                    )
                })
                .collect();
            for parameter in list(method, "params") {
                let name = text(parameter, "name");
                match params.get(name) {
                    Some(value) => {
                        assert_eq!(misfit(&document, &parameter["schema"], value, name), None);
                    }
                    None => assert!(!parameter["required"].as_bool().expect("a flag"), "{name}"),
                }
            }
            // Whatever comes of it on an empty node: it is known, and the parameters are not the trouble.
            let answer = node.rpc(name, Value::Object(params)).await;
            let code = answer
                .as_ref()
                .err()
                .and_then(|error| error["code"].as_i64());
            assert!(
                ![Some(codes::METHOD_NOT_FOUND), Some(codes::INVALID_PARAMS)].contains(&code),
                "{name}: {answer:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_as_described() {
    let node = Node::new().await;
    let document = document(&node).await;
    let schema = |name: &str| {
        let mut methods = list(&document, "methods").iter();
        let method = methods.find(|method| method["name"] == name);
        method.unwrap_or_else(|| panic!("no `{name}`"))["result"]["schema"].clone()
    };
    node.app("echo", "serve 8080", "");
    node.app("bad", "serve 8080", "restart = \"always\"");
    let id = || json!({ "id": "echo" });
    for (method, params) in [
        ("package.list", json!({})),
        ("package.install", id()),
        ("package.list", json!({})),
        ("container.list", json!({})),
        ("container.health", json!({})),
        ("container.logs", json!({ "name": "echo" })),
        ("catalog.list", json!({})),
        ("system.plan", json!({})),
        ("system.health", json!({})),
        ("system.version", json!({})),
        ("operation.list", json!({})),
        ("system.notifications", json!({})),
        ("metrics", json!({})),
        ("package.update", id()),
        ("package.reconcile", json!({})),
        ("package.stop", id()),
        ("package.start", id()),
        ("package.restart", id()),
        ("package.uninstall", id()),
    ] {
        let result = node.rpc(method, params).await;
        let result = result.unwrap_or_else(|error| panic!("{method}: {error}"));
        assert_eq!(misfit(&document, &schema(method), &result, method), None);
    }
    let wait = json!({ "id": "echo", "wait": false });
    let begun = node.rpc("package.install", wait).await.expect("begun");
    let schema_of_install = schema("package.install");
    assert_eq!(misfit(&document, &schema_of_install, &begun, ""), None);
    let number = json!({ "id": begun["operation"] });
    let operation = node.rpc("operation.get", number).await.expect("known");
    assert_eq!(
        misfit(&document, &schema("operation.get"), &operation, ""),
        None
    );
    // The check can fail.
    let bad = json!([{ "id": 7 }]);
    assert!(misfit(&document, &schema("package.list"), &bad, "").is_some());
}
