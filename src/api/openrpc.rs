//! The OpenRPC 1.3 document (<https://spec.open-rpc.org>): generated from the very types that are read and written.

use axum::Json;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::codes::{self, ErrorCode};
use super::rpc::{METHODS, Method};

/// Codes that any call may be answered with.
const COMMON: [i64; 2] = [codes::INVALID_PARAMS, codes::INTERNAL_ERROR];

/// One parameter of a method.
pub(super) struct Parameter {
    pub(super) name: String,
    is_required: bool,
    schema: Value,
}

/// `GET /rpc/v1/schema`.
pub(super) async fn serve() -> Json<Value> {
    Json(document())
}

/// The document.
pub(super) fn document() -> Value {
    let mut params = generator(SchemaSettings::draft07().for_deserialize());
    let mut results = generator(SchemaSettings::draft07().for_serialize());
    let methods: Vec<Value> = METHODS
        .iter()
        .map(|method| describe(method, &mut params, &mut results))
        .collect();
    let mut schemas = params.take_definitions(true);
    schemas.extend(results.take_definitions(true));
    let errors: Map<String, Value> = codes::ALL
        .iter()
        .map(|code| (code.name.to_owned(), error(code)))
        .collect();
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "archipelago",
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{
            "name": "this daemon",
            "url": "/rpc/v1",
            "description": "POST, with `Authorization: Bearer TOKEN`. `jsonrpc` and `id` may be left out.",
        }],
        "methods": methods,
        "components": { "schemas": schemas, "errors": errors },
    })
}

fn generator(settings: SchemaSettings) -> SchemaGenerator {
    settings
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator()
}

fn describe(method: &Method, params: &mut SchemaGenerator, results: &mut SchemaGenerator) -> Value {
    let params: Vec<Value> = split((method.params_schema)(params))
        .into_iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "required": parameter.is_required,
                "description": parameter.schema.get("description"),
                "schema": parameter.schema,
            })
        })
        .collect();
    let errors = COMMON.iter().chain(&method.errors);
    let example: Vec<Value> = method
        .example
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({
        "name": method.name,
        "summary": method.summary,
        "tags": [{ "name": method.name.split('.').next() }],
        "paramStructure": "by-name",
        "params": params,
        "result": { "name": "result", "schema": (method.result_schema)(results) },
        "errors": errors.map(|code| reference(*code)).collect::<Vec<_>>(),
        "examples": [{ "name": "example", "params": example }],
    })
}

/// The parameters that a schema of an object describes.
pub(super) fn parameters(schema: fn(&mut SchemaGenerator) -> Schema) -> Vec<Parameter> {
    split(schema(&mut generator(
        SchemaSettings::draft07().for_deserialize(),
    )))
}

fn split(schema: Schema) -> Vec<Parameter> {
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| Parameter {
            name: name.clone(),
            is_required: required(name),
            schema: schema.clone(),
        })
        .collect()
}

fn reference(code: i64) -> Value {
    match codes::ALL.iter().find(|known| known.code == code) {
        Some(known) => json!({ "$ref": format!("#/components/errors/{}", known.name) }),
        None => json!({ "code": code, "message": "unknown" }),
    }
}

fn error(code: &ErrorCode) -> Value {
    json!({ "code": code.code, "message": code.meaning })
}
