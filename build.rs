//! Finds the built-in manifests and checks them with the catalog's own rules: a bad one fails the build, with all that
//! is wrong. Adding a package is adding a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

#[path = "src/catalog"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the modules are the library's; here only reading and checking is used"
)]
mod catalog {
    pub(crate) mod files;
    mod grace;
    mod manifest;
    mod template;
    mod validate;
    mod words;

    pub(crate) use validate::BUILT_IN;
}

#[path = "src/nearest.rs"]
mod nearest;

/// Where the manifests are, below the package's folder.
const APPS: &str = "src/catalog/apps";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={APPS}");
    match embed() {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in problems {
                println!("cargo::error={problem}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("cargo::error=cannot embed the manifests of {APPS}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the list of manifests for `include!`; returns what is wrong with them.
fn embed() -> io::Result<Vec<String>> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join(APPS))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut list = String::from("&[\n");
    let mut files = Vec::new();
    for path in paths {
        let name = format!("{}{}", catalog::BUILT_IN, file_name(&path));
        let text = fs::read_to_string(&path)?;
        writeln!(list, "    ({name:?}, include_str!({path:?})),").map_err(io::Error::other)?;
        // A person looks for the file in the sources.
        files.push((format!("{APPS}/{}", file_name(&path)), Ok(text)));
    }
    list.push_str("]\n");
    fs::write(
        PathBuf::from(variable("OUT_DIR")?).join("built_in.rs"),
        list,
    )?;
    let (_, problems) = catalog::files::read(files);
    // An instruction to cargo is one line.
    let line = |text: String| text.replace('\n', " ");
    Ok(problems
        .iter()
        .map(|problem| line(problem.to_string()))
        .collect())
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
