//! Packages that scenarios install: manifests of the fixture app, and what it is made to do.

use crate::target::{Fault, Target};

/// A container of a package.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    name: String,
    image: String,
    command: String,
    tier: u8,
    rest: String,
}

/// A container `name` that serves on port 8080.
pub(crate) fn serve(name: &str) -> Container {
    command(name, r#"["serve", "8080"]"#)
}

/// A container with another command, a TOML array.
pub(crate) fn command(name: &str, command: &str) -> Container {
    Container {
        name: name.into(),
        image: archipelago_lab::image::FIXTURE_IMAGE.into(),
        command: command.into(),
        tier: 2,
        // podman's own quick retries would hide from the scenario what the monitor does.
        rest: "restart = \"no\"\n".into(),
    }
}

impl Container {
    pub(crate) fn tier(mut self, tier: u8) -> Self {
        self.tier = tier;
        self
    }

    /// From another image than the fixture's.
    pub(crate) fn image(mut self, image: &str) -> Self {
        self.image = image.into();
        self
    }

    /// One more line of TOML.
    pub(crate) fn with(mut self, line: &str) -> Self {
        self.rest.push_str(line);
        self.rest.push('\n');
        self
    }
}

/// The manifest of a package.
pub(crate) fn manifest(id: &str, containers: &[Container]) -> String {
    let mut text = format!("id = \"{id}\"\ntitle = \"{id}\"\nversion = \"1\"\n");
    for Container {
        name,
        image,
        command,
        tier,
        rest,
    } in containers
    {
        text.push_str(&format!(
            "\n[[containers]]\nname = \"{name}\"\nimage = \"{image}\"\ncommand = {command}\ntier = {tier}\n{rest}"
        ));
    }
    text
}

/// Makes the fixture app in a container do something, by its own command.
pub(crate) async fn poke(target: &dyn Target, fault: Fault<'_>) -> Result<(), String> {
    let code;
    let (container, what) = match fault {
        Fault::EatMemory { container } => (container, vec!["oom"]),
        Fault::Exit {
            container,
            code: wanted,
        } => {
            code = wanted.to_string();
            (container, vec!["exit", code.as_str()])
        }
        Fault::Sick { container } => (container, vec!["unhealthy"]),
        Fault::Kill { .. } | Fault::KillBoth { .. } | Fault::DiskFull | Fault::DiskFree => {
            return Err(format!("no app can do that to itself: {fault:?}"));
        }
    };
    let argv = [&["exec", container, "/fixture", "poke"], what.as_slice()].concat();
    let output = target.podman(&argv).await?;
    // Where the container ends with it, podman 5 may lose the end of the exec; whoever waits for the container sees its own.
    let is_lost = output.stderr.contains("exec died event") && !matches!(fault, Fault::Sick { .. });
    if output.code == 0 || is_lost {
        Ok(())
    } else {
        Err(format!("`{container}` cannot be poked: {}", output.stderr))
    }
}
