//! `lab doctor`.

use std::path::PathBuf;
use std::process::ExitCode;

use archipelago_lab::doctor::{EngineFacts, Report, Tried, checks};
use archipelago_lab::engine::{self, EngineError, Found, Kind, Wishes, service};
use archipelago_lab::host::{Files, HostFacts};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// {"fit": bool, "checks": [{"name", "verdict", "found", "remedy"}]}
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Judges the host; starts and changes nothing.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let engine = runtime.block_on(engine_facts())?;
        let disk = engine
            .graph_root
            .iter()
            .cloned()
            .chain(["/var/lib/containers", "/var/lib", "/"].map(PathBuf::from))
            .find(|path| path.exists())
            .unwrap_or_else(|| "/".into());
        let report = Report::new(checks(&HostFacts::read(&Files::host(), &disk), &engine));
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            print!("{report}");
        }
        Ok(if report.fit {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(super::exit_code::NO_ENGINE)
        })
    }
}

async fn engine_facts() -> anyhow::Result<EngineFacts> {
    let mut facts = EngineFacts {
        podman_installed: service::podman_installed(),
        builds_bases: service::on_path("mmdebstrap"),
        ..EngineFacts::default()
    };
    let as_tried = |tried: Vec<engine::Tried>| {
        tried
            .into_iter()
            .map(|engine::Tried { endpoint, why_not }| Tried {
                endpoint: endpoint.to_string(),
                why_not,
            })
            .collect()
    };
    match engine::find(&Wishes::from_env()).await {
        Ok(Found::Answers(endpoint)) => {
            let info = engine::info(&endpoint).await?;
            facts.endpoint = Some(endpoint.to_string());
            facts.kind = Some(match info.kind {
                Kind::Podman => "podman".into(),
                Kind::Docker => "docker".into(),
            });
            facts.version = Some(info.version);
            facts.rootless = Some(info.rootless);
            facts.storage_driver = Some(info.storage_driver);
            facts.graph_root = Some(info.graph_root);
        }
        Ok(Found::StartPodman(tried)) | Err(EngineError::None { tried }) => {
            facts.tried = as_tried(tried);
        }
        Err(EngineError::ChosenSilent { endpoint, source }) => {
            // The user has chosen this one: an installed podman would not be asked.
            facts.podman_installed = false;
            facts.tried = vec![Tried {
                endpoint: format!("{endpoint} (DOCKER_HOST)"),
                why_not: source.to_string(),
            }];
        }
        Err(other) => return Err(other.into()),
    }
    Ok(facts)
}
