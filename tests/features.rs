//! Crates are compiled once: what is built for tests serves `cargo lab`, `cargo doc` and the programs that scripts build.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The sets of features that each crate is compiled with.
type Sets = BTreeMap<String, BTreeSet<String>>;

/// What cargo would build with these arguments of `cargo tree`.
fn sets(arguments: &[&str]) -> Sets {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--prefix", "none"])
        .args(["--format", "{p}|{f}"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "cargo tree {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut sets = Sets::new();
    // Between the trees of two packages is an empty line.
    for line in said.lines().filter(|line| !line.is_empty()) {
        // `(*)`: it was there before.
        let line = line.trim_end_matches(" (*)");
        let (package, features) = line.split_once('|').expect("as it was asked for");
        let kinds = sets.entry(package.to_owned()).or_default();
        kinds.insert(features.trim().to_owned());
    }
    sets
}

#[test]
fn what_tests_build_serves_the_rest() {
    let tests = sets(&["--workspace", "--edges", "normal,build,dev"]);
    let others: [&[&str]; 2] = [
        // `cargo lab`
        &["--package", "archipelago-lab", "--edges", "normal,build"],
        // `cargo doc --workspace`, `cargo build --workspace --bin …`
        &["--workspace", "--edges", "normal,build"],
    ];
    for arguments in others {
        let mut anew = Vec::new();
        for (package, wanted) in sets(arguments) {
            let there = &tests[&package];
            if !wanted.is_subset(there) {
                anew.push(format!("{package}: {wanted:?}, and for tests {there:?}"));
            }
        }
        assert!(
            anew.is_empty(),
            "compiled anew for {arguments:?}, with all that stands on it; lab/Cargo.toml has to ask for the same features:\n{}",
            anew.join("\n")
        );
    }
}
