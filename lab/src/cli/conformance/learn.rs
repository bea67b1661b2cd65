//! `lab conformance --learn`.

use std::path::Path;

use anyhow::Context;
use archipelago_lab::conformance::case::Case;
use archipelago_lab::conformance::player::Side;
use archipelago_lab::conformance::shards::Shards;
use archipelago_lab::conformance::transcript::Transcript;
use archipelago_lab::conformance::{draft, help, learn, record};
use archipelago_lab::image::inputs::source_root;

use super::super::progress::Bar;

/// Says what is new in a podman, and writes a draft of its profile.
pub(super) async fn learn(
    labs: &mut Shards,
    cases: &[Case],
    into: Option<&Path>,
) -> anyhow::Result<()> {
    let known = record::versions(&source_root().join("tests/fixtures"))?;
    let version = labs.version().to_owned();
    let others: Vec<String> = known.into_iter().filter(|it| *it != version).collect();
    let nearest = learn::nearest(&others, &version)
        .context("no podman is recorded: `cargo lab conformance --record` first")?;
    let recorded = record::read(&source_root().join("tests/fixtures"), nearest)?;
    let recorded: Vec<Transcript> = recorded.into_values().flatten().collect();
    let mut all = vec![draft::questions()];
    all.extend_from_slice(cases);
    let bar = Bar::new(all.len());
    let mut played = Vec::new();
    labs.play(&all, &mut |transcript| {
        bar.done(&transcript.case);
        played.push(transcript);
    })
    .await?;
    drop(bar);
    let groups = learn::differences(&version, &recorded, &played);
    for group in &groups {
        println!("{group}");
    }
    println!(
        "podman {version} against {nearest}: {} cases, {} kinds of differences",
        cases.len(),
        groups.len()
    );
    let answers = played.iter().find(|it| it.case == all[0].name);
    let mut files = draft::files(answers.context("the lab's podman was not asked")?)?;
    files.insert("flags.txt".into(), flags(labs).await?);
    let into = into.map_or_else(|| source_root().join("target/profiles"), Path::to_owned);
    let folder = into.join(&version);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    for (file, text) in &files {
        let path = folder.join(file);
        std::fs::write(&path, text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    println!(
        "a draft of its profile: {} files in {}",
        files.len(),
        folder.display()
    );
    Ok(())
}

/// podman has no command of more words.
const DEPTH: usize = 4;

/// All commands and their flags: those below a group are known when it has been asked.
async fn flags(labs: &mut Shards) -> anyhow::Result<String> {
    let mut commands = vec![String::new()];
    let mut text = format!(
        "# The commands and flags of podman {}, from its --help.\n",
        labs.version()
    );
    for _ in 0..DEPTH {
        let mut found = Vec::new();
        let asked = help::questions(&commands);
        labs.play(&[asked], &mut |transcript| {
            found.extend(help::answers(&transcript))
        })
        .await?;
        text.extend(found.iter().map(|help| format!("{}\n", help.line)));
        commands = found.into_iter().flat_map(|help| help.below).collect();
    }
    Ok(text)
}
