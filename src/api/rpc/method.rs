//! What a method is: one value, from which it is called, suggested and documented.

use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Context, RpcError, codes};
use crate::api::openrpc;

/// Time limit of a method that only asks. Longer than that of a podman command that only asks: where podman hangs, its
/// own error is the better one.
const QUICK_LIMIT: Duration = Duration::from_secs(45);

type Call = dyn Fn(Context, Value) -> BoxFuture<'static, Result<Value, RpcError>> + Send + Sync;

/// A method of the RPC service.
pub(in crate::api) struct Method {
    pub(in crate::api) name: &'static str,
    pub(in crate::api) summary: &'static str,
    /// Codes it may answer with, beside those that any method has.
    pub(in crate::api) errors: Vec<i64>,
    /// Parameters of a good call, as an object.
    pub(in crate::api) example: Value,
    pub(in crate::api) params_schema: fn(&mut SchemaGenerator) -> Schema,
    pub(in crate::api) result_schema: fn(&mut SchemaGenerator) -> Schema,
    parameters: Vec<String>,
    limit: Option<Duration>,
    call: Box<Call>,
}

impl Method {
    /// A method that only asks: it has a time limit.
    pub(super) fn quick<P, R, F, Work>(name: &'static str, summary: &'static str, work: F) -> Self
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema,
        F: Fn(Context, P) -> Work + Send + Sync + 'static,
        Work: Future<Output = Result<R, RpcError>> + Send + 'static,
    {
        Self {
            errors: vec![codes::TOO_SLOW],
            limit: Some(QUICK_LIMIT),
            ..Self::long(name, summary, work)
        }
    }

    /// A method that may take as long as it takes.
    pub(super) fn long<P, R, F, Work>(name: &'static str, summary: &'static str, work: F) -> Self
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema,
        F: Fn(Context, P) -> Work + Send + Sync + 'static,
        Work: Future<Output = Result<R, RpcError>> + Send + 'static,
    {
        let call = move |context, given| match read::<P>(given) {
            Err(error) => std::future::ready(Err(error)).boxed(),
            Ok(params) => {
                let work = work(context, params);
                async move {
                    serde_json::to_value(work.await?)
                        .map_err(|error| RpcError::new(codes::INTERNAL_ERROR, error.to_string()))
                }
                .boxed()
            }
        };
        Self {
            name,
            summary,
            errors: Vec::new(),
            example: json!({}),
            params_schema: P::json_schema,
            result_schema: |generator| generator.subschema_for::<R>(),
            parameters: openrpc::parameters(P::json_schema)
                .into_iter()
                .map(|parameter| parameter.name)
                .collect(),
            limit: None,
            call: Box::new(call),
        }
    }

    /// Codes it may answer with.
    pub(super) fn errors(mut self, codes: &[i64]) -> Self {
        self.errors.extend(codes);
        self
    }

    /// Parameters of a good call.
    pub(super) fn example(mut self, params: Value) -> Self {
        self.example = params;
        self
    }

    /// Calls it with these parameters, an object.
    pub(super) async fn call(&self, context: &Context, given: Value) -> Result<Value, RpcError> {
        self.refuse_unknown(&given)?;
        let answer = (self.call)(context.clone(), given);
        let Some(limit) = self.limit else {
            return answer.await;
        };
        tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
            let limit_secs = limit.as_secs();
            let mut error = RpcError::new(
                codes::TOO_SLOW,
                format!("`{}` took longer than {limit_secs} s; podman may hang, see `system.health`", self.name),
            );
            error.data = Some(json!({ "kind": "too slow", "limit_secs": limit_secs }));
            Err(error)
        })
    }

    fn refuse_unknown(&self, given: &Value) -> Result<(), RpcError> {
        let mut names = given.as_object().into_iter().flat_map(|given| given.keys());
        let Some(name) = names.find(|name| !self.parameters.contains(name)) else {
            return Ok(());
        };
        let nearest = crate::config::nearest(name, self.parameters.iter().cloned());
        let name: String = name.chars().take(80).collect();
        let hint = match &nearest {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`{}` has none", self.name),
        };
        let mut error = RpcError::new(
            codes::INVALID_PARAMS,
            format!("unknown parameter {name:?}; {hint}"),
        );
        error.data =
            Some(json!({ "kind": "unknown parameter", "parameter": name, "nearest": nearest }));
        Err(error)
    }
}

/// Reads the parameters; an error names the one that does not fit.
fn read<P: DeserializeOwned>(given: Value) -> Result<P, RpcError> {
    serde_path_to_error::deserialize(given).map_err(|error| {
        let path = error.path().to_string();
        let what = error.into_inner();
        let text = if path == "." {
            what.to_string()
        } else {
            format!("`{path}`: {what}")
        };
        let mut error = RpcError::new(codes::INVALID_PARAMS, text);
        error.data = Some(json!({ "kind": "invalid parameters" }));
        error
    })
}
