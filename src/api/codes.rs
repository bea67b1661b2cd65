//! Error codes of the RPC service. They are interface: a code keeps its meaning.

/// One error code, as the OpenRPC document shows it.
#[derive(Debug, Clone, Copy)]
pub struct ErrorCode {
    /// The number.
    pub code: i64,
    /// Its name here, as `BUSY`.
    pub name: &'static str,
    /// What it means, and what `data` holds beside `kind`.
    pub meaning: &'static str,
}

/// From one list: a constant for each code, and [`ALL`] of them for the OpenRPC document.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ pub const $name:ident: i64 = $code:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: i64 = $code;)+

        /// Every code.
        pub const ALL: &[ErrorCode] = &[$(ErrorCode {
            code: $code,
            name: stringify!($name),
            meaning: concat!($($doc),+).trim_ascii(),
        }),+];
    };
}

codes! {
    /// The body is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The JSON is not a request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// There is no such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters do not fit the method.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The daemon ended before the call did, or a fault of archipelago.
    pub const INTERNAL_ERROR: i64 = -32603;

    /// The catalog has no such package. `data`: `nearest`.
    pub const UNKNOWN_PACKAGE: i64 = -32010;
    /// The package is not installed.
    pub const NOT_INSTALLED: i64 = -32011;
    /// The package is installed already.
    pub const ALREADY_INSTALLED: i64 = -32012;
    /// Another operation on the package is under way. `data`: `running`.
    pub const BUSY: i64 = -32013;
    /// Other installed packages need it. `data`: `dependents`.
    pub const HAS_DEPENDENTS: i64 = -32014;
    /// The manifest is bad. `data`: `problems`.
    pub const BAD_MANIFEST: i64 = -32015;
    /// A container of another package is needed and does not serve. `data`: `container`, `dependency`.
    pub const DEPENDENCY_MISSING: i64 = -32016;
    /// A container or secret of that name belongs to somebody else. `data`: `name`.
    pub const NAME_TAKEN: i64 = -32017;
    /// There is no such container.
    pub const NO_SUCH_CONTAINER: i64 = -32018;
    /// A secret file is missing and may not be made anew. `data`: `secret`, `file`, `volumes` with data made with it.
    pub const SECRET_MISSING: i64 = -32019;
    /// The image could not be pulled. `data`: `image`, `attempts`.
    pub const PULL_FAILED: i64 = -32020;
    /// The image is not there after a pull that succeeded. `data`: `image`.
    pub const IMAGE_MISSING: i64 = -32021;
    /// A container did not start. `data`: `container`, `log`.
    pub const DID_NOT_START: i64 = -32022;
    /// A container did not stay up or become healthy. `data`: `container`, `exit_code`, `log`.
    pub const DID_NOT_STAY_UP: i64 = -32023;
    /// Something is left; the same call again goes on. `data`: `left`.
    pub const INCOMPLETE: i64 = -32024;
    /// There is no such operation, or none any more: old ones are forgotten.
    pub const NO_SUCH_OPERATION: i64 = -32025;
    /// The operation has ended, or is past the point where it can be cancelled cleanly. `data`: `operation`.
    pub const NOT_CANCELLABLE: i64 = -32026;
    /// The catalog shows the package and does not know enough to install it. `data`: `reason`.
    pub const NOT_INSTALLABLE: i64 = -32027;
    /// The operation was cancelled, and undone.
    pub const CANCELLED: i64 = -32028;
    /// The image that was asked for is no good, or it is not clear which container it is for. `data`: `image`.
    pub const BAD_IMAGE: i64 = -32029;
    /// A package that cannot be beside this one is installed. `data`: `other`.
    pub const EXCLUDED: i64 = -32033;
    /// No image is tagged with the catalog's version, so no other can be put in its place. `data`: `known`.
    pub const NO_SUCH_VERSION: i64 = -32034;
    /// A hook failed. `data`: `container`, `command`, `exit_code`, `output`.
    pub const HOOK_FAILED: i64 = -32035;
    /// The new version did not come up. `data`: `old` says what became of the old one, `cause` why.
    pub const UPDATE_FAILED: i64 = -32036;
    /// An update failed earlier, and the old version still cannot be made again. `data`: `cause` says why.
    pub const HALF_UPDATED: i64 = -32037;
    /// podman failed.
    pub const PODMAN_FAILED: i64 = -32030;
    /// A state file failed.
    pub const STORE_FAILED: i64 = -32031;
    /// The answer took too long; nothing was changed. `data`: `limit_secs`.
    pub const TOO_SLOW: i64 = -32032;
}
