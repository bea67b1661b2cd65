//! The paths of podman's REST service that archipelago asks for. All podmans since 4.0 know them by this version.

use super::Encoded;

/// Every container with `label`, in whatever state: the rows of `podman ps --all --format=json`, but that `Created` is a
/// time and `Status` the bare health word.
pub(crate) fn list(label: &str) -> String {
    let filters = serde_json::json!({ "label": [label] }).to_string();
    format!(
        "/v4.0.0/libpod/containers/json?all=true&filters={}",
        Encoded(&filters)
    )
}

/// One container: an entry of `podman container inspect`.
pub(crate) fn inspect(id: &str) -> String {
    format!("/v4.0.0/libpod/containers/{}/json", Encoded(id))
}

/// What happens to containers, from now on, a JSON object a line.
pub(crate) fn events() -> String {
    let filters = Encoded(r#"{"type":["container"]}"#);
    format!("/v4.0.0/libpod/events?stream=true&filters={filters}")
}

/// A pull, by the API that is Docker's: libpod's own tells no bytes.
pub(crate) fn pull(reference: &str) -> String {
    format!("/v1.40/images/create?fromImage={}", Encoded(reference))
}
