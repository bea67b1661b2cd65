//! The methods: parameters in, result out. The work is done elsewhere.
//!
//! [`METHODS`] is the one list: what is called, what is suggested for a mistyped name and what the OpenRPC document
//! says all come from it.

mod catalog;
mod container;
mod error;
mod method;
mod operation;
mod package;
mod system;

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::jsonrpc::RpcError;
use super::{Context, codes};

pub(super) use method::Method;
pub(super) use system::Health;

/// No parameters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Codes of what starts containers and waits until they serve.
const STARTING: &[i64] = &[
    codes::BUSY,
    codes::DEPENDENCY_MISSING,
    codes::DID_NOT_START,
    codes::DID_NOT_STAY_UP,
    codes::EXCLUDED,
    codes::NAME_TAKEN,
    codes::NOT_INSTALLABLE,
    codes::PODMAN_FAILED,
    codes::SECRET_MISSING,
    codes::STORE_FAILED,
];

/// Codes of what takes a package from the catalog.
const CHOOSING: &[i64] = &[
    codes::BAD_IMAGE,
    codes::BAD_MANIFEST,
    codes::CANCELLED,
    codes::HOOK_FAILED,
    codes::IMAGE_MISSING,
    codes::INCOMPLETE,
    codes::NOT_INSTALLABLE,
    codes::PULL_FAILED,
    codes::UNKNOWN_PACKAGE,
];

/// Every method, by name.
pub(super) static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
    let mut methods = vec![
        Method::quick(
            "catalog.list",
            "Every package of the catalog, installed or not, and what is wrong with those that cannot be installed.",
            catalog::list,
        ),
        Method::quick(
            "container.health",
            "What the health checks of containers say.",
            container::health,
        )
        .example(json!({ "name": "filebrowser" }))
        .errors(&[codes::NO_SUCH_CONTAINER, codes::PODMAN_FAILED]),
        Method::quick(
            "container.list",
            "All containers of packages.",
            container::list,
        )
        .errors(&[codes::PODMAN_FAILED]),
        Method::quick(
            "container.logs",
            "The last log lines of one container of a package.",
            container::logs,
        )
        .example(json!({ "name": "filebrowser", "tail": 100 }))
        .errors(&[codes::NO_SUCH_CONTAINER, codes::PODMAN_FAILED]),
        Method::quick(
            "metrics",
            "What containers use of the machine, as it was when podman was last asked.",
            system::metrics,
        ),
        Method::quick(
            "operation.get",
            "How an operation stands.",
            operation::get,
        )
        .example(json!({ "id": 1 }))
        .errors(&[codes::NO_SUCH_OPERATION]),
        Method::quick(
            "operation.list",
            "Operations under way, and the last ones that ended; the oldest first.",
            operation::list,
        ),
        Method::quick(
            "operation.cancel",
            "Cancels an operation that pulls images; it is undone like one that failed. At any other step it is refused.",
            operation::cancel,
        )
        .example(json!({ "id": 1 }))
        .errors(&[codes::NO_SUCH_OPERATION, codes::NOT_CANCELLABLE]),
        Method::quick("package.list", "All installed packages.", package::list)
            .errors(&[codes::PODMAN_FAILED]),
        Method::long(
            "package.install",
            "Installs a package. What it had made is undone when it fails.",
            package::install,
        )
        .example(json!({ "id": "filebrowser" }))
        .errors(STARTING)
        .errors(CHOOSING)
        .errors(&[codes::ALREADY_INSTALLED]),
        Method::long(
            "package.update",
            "Updates a package to what the catalog has, or to another version or image. Data stays; the old version comes back when the new one does not come up.",
            package::update,
        )
        .example(json!({ "id": "filebrowser" }))
        .errors(STARTING)
        .errors(CHOOSING)
        .errors(&[
            codes::NO_SUCH_VERSION,
            codes::HALF_UPDATED,
            codes::NOT_INSTALLED,
            codes::UPDATE_FAILED,
        ]),
        Method::long(
            "package.reconcile",
            "Makes anew what is missing of a package, or of all, or was made from something else. What belongs to no package is told, and left alone.",
            package::reconcile,
        )
        .example(json!({ "id": "filebrowser" }))
        .errors(&[
            codes::BUSY,
            codes::HALF_UPDATED,
            codes::NOT_INSTALLED,
            codes::PODMAN_FAILED,
            codes::STORE_FAILED,
        ]),
        Method::long(
            "package.start",
            "Starts a package. From now on it is meant to run.",
            package::start,
        )
        .example(json!({ "id": "filebrowser" }))
        .errors(STARTING)
        .errors(&[codes::HALF_UPDATED, codes::NOT_INSTALLED]),
        Method::long(
            "package.stop",
            "Stops a package. It stays stopped until it is started.",
            package::stop,
        )
        .example(json!({ "id": "filebrowser" }))
        .errors(&[
            codes::BUSY,
            codes::HALF_UPDATED,
            codes::NOT_INSTALLED,
            codes::PODMAN_FAILED,
            codes::STORE_FAILED,
        ]),
        Method::long(
            "package.restart",
            "Stops and starts a package. From now on it is meant to run.",
            package::restart,
        )
        .example(json!({ "id": "filebrowser" }))
        .errors(STARTING)
        .errors(&[codes::HALF_UPDATED, codes::NOT_INSTALLED]),
        Method::long(
            "package.uninstall",
            "Removes a package. What could not be removed is listed, and the same call again goes on.",
            package::uninstall,
        )
        .example(json!({ "id": "filebrowser", "keepData": true }))
        .errors(&[
            codes::BUSY,
            codes::HAS_DEPENDENTS,
            codes::INCOMPLETE,
            codes::NOT_INSTALLED,
            codes::PODMAN_FAILED,
            codes::STORE_FAILED,
        ]),
        Method::quick(
            "system.health",
            "How the daemon itself is. It answers also while podman hangs.",
            system::health,
        ),
        Method::quick(
            "system.notifications",
            "What the user should know and did not ask for; the oldest first.",
            system::notifications,
        ),
        Method::quick(
            "system.plan",
            "What the health monitor would do now about each installed container, and why. Nothing is done.",
            system::plan,
        )
        .errors(&[codes::PODMAN_FAILED]),
        Method::quick(
            "system.version",
            "Versions of archipelago and podman.",
            system::version,
        )
        .errors(&[codes::PODMAN_FAILED]),
    ];
    methods.sort_by_key(|method| method.name);
    methods
});

/// Calls a method.
pub(super) async fn dispatch(
    context: &Context,
    name: &str,
    given: Value,
) -> Result<Value, RpcError> {
    if let Some(method) = METHODS.iter().find(|method| method.name == name) {
        let answer = method.call(context, given).await;
        context.meter.called(method.name, answer.is_ok());
        return answer;
    }
    let known = METHODS.iter().map(|method| method.name.to_owned());
    let nearest = crate::config::nearest(name, known).unwrap_or_default();
    let name: String = name.chars().take(80).collect();
    let mut error = RpcError::new(
        codes::METHOD_NOT_FOUND,
        format!("no method {name:?}; did you mean `{nearest}`?"),
    );
    error.data = Some(json!({ "kind": "unknown method", "nearest": nearest }));
    Err(error)
}
