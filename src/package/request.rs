//! Operations whose number is known before they are done.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{InstallOptions, Operation, PackageError, Packages, UninstallOptions, UpdateOptions};

/// What to do with a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// As [`Packages::install`].
    Install(InstallOptions),
    /// As [`Packages::update`].
    Update(UpdateOptions),
    /// As [`Packages::uninstall`].
    Uninstall(UninstallOptions),
    /// As [`Packages::start`].
    Start,
    /// As [`Packages::stop`].
    Stop,
    /// As [`Packages::restart`].
    Restart,
}

/// An operation that is registered. It goes on as far as `work` is awaited, and ends, as failed, when that is dropped.
#[must_use = "the operation is done by awaiting `work`"]
pub struct Submitted {
    /// The operation's number.
    pub operation: u64,
    /// The operation.
    pub work: BoxFuture<'static, Result<(), PackageError>>,
}

impl Packages {
    /// Registers an operation on `id`.
    ///
    /// # Errors
    /// [`PackageError`], where it cannot even begin: no such package in the catalog, another operation under way …
    pub fn submit(self: &Arc<Self>, id: &str, request: Request) -> Result<Submitted, PackageError> {
        let packages = Arc::clone(self);
        let package = id.to_owned();
        let operation;
        let work = match request {
            Request::Install(options) => {
                let (running, chosen) = self.begin_install(id, options)?;
                operation = running.id();
                async move {
                    let result = packages.run_install(&running, chosen).await;
                    running.end(result)
                }
                .boxed()
            }
            Request::Update(options) => {
                let (running, chosen) = self.begin_update(id, options)?;
                operation = running.id();
                async move {
                    let result = packages.run_update(&running, chosen).await;
                    running.end(result)
                }
                .boxed()
            }
            Request::Uninstall(options) => {
                let running = self.begin(id, Operation::Uninstall)?;
                operation = running.id();
                async move { running.end(packages.run_uninstall(&package, options).await) }.boxed()
            }
            Request::Start => {
                let running = self.begin(id, Operation::Start)?;
                operation = running.id();
                async move { running.end(packages.run_start(&package).await) }.boxed()
            }
            Request::Stop => {
                let running = self.begin(id, Operation::Stop)?;
                operation = running.id();
                async move { running.end(packages.run_stop(&package).await) }.boxed()
            }
            Request::Restart => {
                let running = self.begin(id, Operation::Restart)?;
                operation = running.id();
                async move { running.end(packages.run_restart(&package).await) }.boxed()
            }
        };
        Ok(Submitted { operation, work })
    }
}
