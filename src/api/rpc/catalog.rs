//! `catalog.*`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, Nothing, RpcError};
use crate::catalog::{Catalog, Manifest, NotInstallable, Problem};

/// A package of the catalog.
#[derive(Serialize, JsonSchema)]
pub(super) struct CatalogEntry {
    /// The package.
    id: String,
    /// For people.
    title: String,
    /// The app's version.
    version: String,
    /// What it does, in a sentence; may be empty.
    description: String,
    /// A word to group packages by; may be empty.
    category: String,
    /// Ids of packages that cannot be installed beside it.
    excludes: Vec<String>,
    /// Why it cannot be installed although its manifest is good.
    not_installable: Option<NotInstallable>,
    /// Whether it is installed, or on its way in or out.
    installed: bool,
    /// Its images, in the order of the manifest.
    images: Vec<String>,
    /// What keeps it from being installed.
    problems: Vec<Problem>,
}

/// Every package of the catalog, by id. A file that could not be read at all is one without a title.
pub(super) async fn list(context: Context, _: Nothing) -> Result<Vec<CatalogEntry>, RpcError> {
    let catalog = Catalog::load(&context.packages.config.apps_dir);
    let problems_of = |id: &str| -> Vec<Problem> {
        let problems = catalog.problems().iter();
        problems
            .filter(|problem| problem.package == id)
            .cloned()
            .collect()
    };
    let book = context.packages.book();
    let entry = |manifest: &Manifest| CatalogEntry {
        id: manifest.id.clone(),
        title: manifest.title.clone(),
        version: manifest.version.clone(),
        description: manifest.description.clone(),
        category: manifest.category.clone(),
        excludes: manifest.excludes.clone(),
        not_installable: manifest.not_installable(),
        installed: book.records.contains_key(&manifest.id),
        images: manifest
            .containers
            .iter()
            .filter_map(|container| container.image.clone())
            .collect(),
        problems: problems_of(&manifest.id),
    };
    let mut entries: Vec<CatalogEntry> = catalog.manifests().map(entry).collect();
    for problem in catalog.problems() {
        if entries.iter().all(|entry| entry.id != problem.package) {
            entries.push(CatalogEntry {
                id: problem.package.clone(),
                title: String::new(),
                version: String::new(),
                description: String::new(),
                category: String::new(),
                excludes: Vec::new(),
                not_installable: None,
                installed: book.records.contains_key(&problem.package),
                images: Vec::new(),
                problems: problems_of(&problem.package),
            });
        }
    }
    entries.sort_by(|left, right| left.id.cmp(&right.id));
    Ok(entries)
}
