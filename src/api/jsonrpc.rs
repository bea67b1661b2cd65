//! JSON-RPC 2.0: bytes to calls, results to JSON.
//!
//! More lenient than the standard in one point: a call without `jsonrpc` or `id` is answered too, so that
//! `curl -d '{"method":"container.list"}'` works. So there are no notifications.

use serde_json::{Map, Value, json};

use super::limits::BATCH_LIMIT;
use super::{Context, codes, rpc};

/// A call failed.
#[derive(Debug)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl RpcError {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    fn into_json(self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = self.data {
            error["data"] = data;
        }
        error
    }
}

/// Answers a body: one call or a batch.
pub(super) async fn answer(context: &Context, body: &[u8]) -> Value {
    match serde_json::from_slice(body) {
        Err(error) => failure(
            Value::Null,
            RpcError::new(codes::PARSE_ERROR, format!("not JSON: {error}")),
        ),
        Ok(Value::Array(calls)) if calls.is_empty() || calls.len() > BATCH_LIMIT => {
            let text = format!("a batch has 1 to {BATCH_LIMIT} calls, not {}", calls.len());
            failure(Value::Null, RpcError::new(codes::INVALID_REQUEST, text))
        }
        Ok(Value::Array(calls)) => {
            let mut answers = Vec::with_capacity(calls.len());
            for call in calls {
                answers.push(answer_one(context, call).await);
            }
            Value::Array(answers)
        }
        Ok(call) => answer_one(context, call).await,
    }
}

async fn answer_one(context: &Context, call: Value) -> Value {
    let id = match call.get("id") {
        Some(id @ (Value::String(_) | Value::Number(_))) => id.clone(),
        Some(_) | None => Value::Null,
    };
    match read(call) {
        Err(text) => failure(id, RpcError::new(codes::INVALID_REQUEST, text)),
        Ok((method, params)) => match rpc::dispatch(context, &method, params).await {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(error) => failure(id, error),
        },
    }
}

fn failure(id: Value, error: RpcError) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": error.into_json() })
}

fn read(call: Value) -> Result<(String, Value), String> {
    let Value::Object(mut call) = call else {
        return Err("a call is an object".to_owned());
    };
    if call.get("jsonrpc").is_some_and(|version| version != "2.0") {
        return Err("`jsonrpc` must be \"2.0\", or absent".to_owned());
    }
    if call
        .get("id")
        .is_some_and(|id| id.is_object() || id.is_array() || id.is_boolean())
    {
        return Err("`id` must be a text, a number or null".to_owned());
    }
    let Some(Value::String(method)) = call.remove("method") else {
        return Err("`method` is missing, or is no text".to_owned());
    };
    match call.remove("params") {
        None | Some(Value::Null) => Ok((method, Value::Object(Map::new()))),
        Some(params @ Value::Object(_)) => Ok((method, params)),
        Some(_) => Err("`params` must be an object".to_owned()),
    }
}
