//! From the texts of manifest files to packages and problems.

use std::collections::BTreeMap;

use super::manifest::Manifest;
use super::validate::{Problem, Sourced, validate};

/// Reads these files (name, and text or why it could not be read) and checks them; later ones override.
pub(crate) fn read(
    files: impl IntoIterator<Item = (String, Result<String, String>)>,
) -> (BTreeMap<String, Sourced>, Vec<Problem>) {
    read_onto(BTreeMap::new(), files)
}

/// As [`read`], onto packages that were read before.
pub(crate) fn read_onto(
    mut packages: BTreeMap<String, Sourced>,
    files: impl IntoIterator<Item = (String, Result<String, String>)>,
) -> (BTreeMap<String, Sourced>, Vec<Problem>) {
    let mut problems = Vec::new();
    for (file, text) in files {
        let parsed = text.and_then(|text| {
            toml::from_str::<Manifest>(&text).map_err(|error| error.to_string().trim().to_owned())
        });
        match parsed {
            Ok(manifest) => {
                packages.insert(manifest.id.clone(), Sourced { manifest, file });
            }
            Err(what) => problems.push(Problem {
                package: stem(&file).to_owned(),
                file,
                key: "(file)".to_owned(),
                what,
            }),
        }
    }
    problems.extend(validate(&packages));
    (packages, problems)
}

fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".toml").unwrap_or(name)
}
