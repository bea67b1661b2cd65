//! From the errors of operations to RPC errors.

use serde_json::{Value, json};

use super::{RpcError, codes};
use crate::catalog::CatalogError;
use crate::container::podman::PodmanError;
use crate::package::{PackageError, chain};

impl From<PackageError> for RpcError {
    fn from(error: PackageError) -> Self {
        let (code, data) = detail(&error);
        Self {
            code,
            message: chain(&error),
            data: Some(data),
        }
    }
}

impl From<PodmanError> for RpcError {
    fn from(error: PodmanError) -> Self {
        Self {
            code: codes::PODMAN_FAILED,
            message: chain(&error),
            data: Some(podman_detail(&error)),
        }
    }
}

fn podman_detail(error: &PodmanError) -> Value {
    json!({ "kind": "podman failed", "refusal": error.refusal().map(|refusal| format!("{refusal:?}")) })
}

/// The code, and `data`: always a `kind`, and what goes with it.
fn detail(error: &PackageError) -> (i64, Value) {
    match error {
        PackageError::Catalog(CatalogError::Unknown { id, nearest }) => (
            codes::UNKNOWN_PACKAGE,
            json!({ "kind": "unknown package", "package": id, "nearest": nearest }),
        ),
        PackageError::Catalog(CatalogError::Bad { id, problems }) => (
            codes::BAD_MANIFEST,
            json!({ "kind": "bad manifest", "package": id, "problems": problems }),
        ),
        PackageError::Busy { package, running } => (
            codes::BUSY,
            json!({ "kind": "busy", "package": package, "running": running }),
        ),
        PackageError::AlreadyInstalled { package } => (
            codes::ALREADY_INSTALLED,
            json!({ "kind": "already installed", "package": package }),
        ),
        PackageError::NotInstallable { package, reason } => (
            codes::NOT_INSTALLABLE,
            json!({ "kind": "not installable", "package": package, "reason": reason }),
        ),
        PackageError::NotInstalled { package } => (
            codes::NOT_INSTALLED,
            json!({ "kind": "not installed", "package": package }),
        ),
        PackageError::DependencyMissing {
            package,
            container,
            dependency,
            state: _,
        } => (
            codes::DEPENDENCY_MISSING,
            json!({ "kind": "dependency missing", "package": package, "container": container, "dependency": dependency }),
        ),
        PackageError::HasDependents {
            package,
            dependents,
        } => (
            codes::HAS_DEPENDENTS,
            json!({ "kind": "has dependents", "package": package, "dependents": dependents }),
        ),
        PackageError::NameTaken {
            package,
            what,
            name,
        } => (
            codes::NAME_TAKEN,
            json!({ "kind": "name taken", "package": package, "what": what, "name": name }),
        ),
        PackageError::SecretMissing {
            package,
            secret,
            file,
            volumes,
        } => (
            codes::SECRET_MISSING,
            json!({ "kind": "secret missing", "package": package, "secret": secret, "file": file, "volumes": volumes }),
        ),
        PackageError::NoSecretFile {
            package,
            secret,
            file,
        } => (
            codes::SECRET_MISSING,
            json!({ "kind": "secret missing", "package": package, "secret": secret, "file": file, "volumes": [] }),
        ),
        PackageError::Render {
            package,
            secret,
            source: _,
        } => (
            codes::INTERNAL_ERROR,
            json!({ "kind": "not rendered", "package": package, "secret": secret }),
        ),
        PackageError::PullFailed {
            image,
            attempts,
            source,
        } => (
            codes::PULL_FAILED,
            json!({
                "kind": "pull failed", "image": image, "attempts": attempts,
                "refusal": source.refusal().map(|refusal| format!("{refusal:?}")),
            }),
        ),
        PackageError::ImageMissing { image } => (
            codes::IMAGE_MISSING,
            json!({ "kind": "image missing", "image": image }),
        ),
        PackageError::DidNotStart {
            container,
            log,
            source,
        } => (
            codes::DID_NOT_START,
            json!({
                "kind": "did not start", "container": container, "log": log,
                "refusal": source.refusal().map(|refusal| format!("{refusal:?}")),
            }),
        ),
        PackageError::DidNotStayUp {
            container,
            what: _,
            exit_code,
            log,
        } => (
            codes::DID_NOT_STAY_UP,
            json!({ "kind": "did not stay up", "container": container, "exit_code": exit_code, "log": log }),
        ),
        PackageError::Incomplete { package, left } => (
            codes::INCOMPLETE,
            json!({ "kind": "incomplete", "package": package, "left": left }),
        ),
        PackageError::NotUndone { left, source } => {
            let (code, mut data) = detail(source);
            data["left"] = json!(left);
            (code, data)
        }
        PackageError::BadImage { image, what: _ } => (
            codes::BAD_IMAGE,
            json!({ "kind": "bad image", "image": image }),
        ),
        PackageError::AmbiguousImage {
            package,
            image,
            containers,
        } => (
            codes::BAD_IMAGE,
            json!({ "kind": "ambiguous image", "package": package, "image": image, "containers": containers }),
        ),
        PackageError::Excluded { package, other } => (
            codes::EXCLUDED,
            json!({ "kind": "excluded", "package": package, "other": other }),
        ),
        PackageError::NoSuchVersion {
            package,
            version,
            known,
        } => (
            codes::NO_SUCH_VERSION,
            json!({ "kind": "no such version", "package": package, "version": version, "known": known }),
        ),
        PackageError::HookFailed {
            container,
            command,
            attempts,
            code,
            output,
            source: _,
        } => (
            codes::HOOK_FAILED,
            json!({
                "kind": "hook failed", "container": container, "command": command, "attempts": attempts,
                "exit_code": code, "output": output,
            }),
        ),
        PackageError::UpdateFailed {
            package,
            version,
            old,
            source,
        } => {
            let (code, cause) = detail(source);
            (
                codes::UPDATE_FAILED,
                json!({
                    "kind": "update failed", "package": package, "version": version, "old": old,
                    "cause": { "code": code, "data": cause },
                }),
            )
        }
        PackageError::HalfUpdated { package, source } => {
            let (code, cause) = detail(source);
            (
                codes::HALF_UPDATED,
                json!({
                    "kind": "half updated", "package": package, "cause": { "code": code, "data": cause },
                }),
            )
        }
        PackageError::Cancelled { package } => (
            codes::CANCELLED,
            json!({ "kind": "cancelled", "package": package }),
        ),
        PackageError::NoSuchOperation { operation } => (
            codes::NO_SUCH_OPERATION,
            json!({ "kind": "no such operation", "operation": operation }),
        ),
        PackageError::NotCancellable { operation, why: _ } => (
            codes::NOT_CANCELLABLE,
            json!({ "kind": "not cancellable", "operation": operation }),
        ),
        PackageError::Podman { package, source } => {
            let mut data = podman_detail(source);
            data["package"] = json!(package);
            (codes::PODMAN_FAILED, data)
        }
        PackageError::Store { package, source: _ } => (
            codes::STORE_FAILED,
            json!({ "kind": "state file failed", "package": package }),
        ),
        PackageError::Interrupted => (codes::INTERNAL_ERROR, json!({ "kind": "interrupted" })),
    }
}
