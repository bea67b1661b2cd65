//! `scripts/dev-start.sh`, as a person uses it: in a terminal, each entry to the end of what it starts. The one for a node is
//! in `dev_loop`.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::program::until;
use crate::script::{CTRL_C, Ended, Running, Script, root};
use crate::trial::{Outcome, on_path};

const NAME: &str = "dev-start.sh";
const ASKS: &str = "Number: ";
/// How long what an entry starts may take, beside others.
const ENTRY: Duration = Duration::from_secs(400);

/// A trial of the menu.
pub(crate) struct MenuTrial {
    function: &'static str,
    run: fn() -> Pin<Box<dyn Future<Output = Outcome>>>,
    /// Why it cannot be had here.
    unfit: fn() -> Option<String>,
}

macro_rules! menu_trials {
    ($($function:ident $(unless $unfit:ident)?),* $(,)?) => {
        pub(crate) const TRIALS: &[MenuTrial] = &[
            $(MenuTrial {
                function: stringify!($function),
                run: || Box::pin($function()),
                unfit: menu_trials!(@unfit $($unfit)?),
            }),*
        ];
    };
    (@unfit) => { || None };
    (@unfit $unfit:ident) => { $unfit };
}

menu_trials![
    it_asks_on_a_terminal_and_again_after_a_mistake,
    without_a_terminal_it_reads_and_does_not_ask,
    unit_tests,
    all_tests_on_real_podman unless something_would_be_installed,
    one_scenario unless something_would_be_installed,
    a_shell_in_a_lab,
    serve_on_a_podman_in_memory,
    serve_on_this_machines_podman unless not_root,
    conformance,
    doctor,
];

impl MenuTrial {
    /// `lab::node_stage::menu::unit_tests`.
    pub(crate) fn name(&self) -> String {
        format!("lab::{}::{}", module_path!(), self.function)
    }

    /// Why it is not run here.
    pub(crate) fn ignored(&self) -> Option<String> {
        (self.unfit)()
    }

    /// Runs it.
    pub(crate) fn run(&self) -> Outcome {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))?
            .block_on((self.run)())
    }
}

/// `scripts/lab` installs what is missing: right for a person, and nothing that a test may do.
fn something_would_be_installed() -> Option<String> {
    let missing = |names: &[&str]| {
        (!names.iter().any(|name| on_path(name))).then(|| {
            format!(
                "no {}, which scripts/lab would install; `scripts/lab --set-up` does",
                names[0]
            )
        })
    };
    missing(&["mmdebstrap"])
        .or_else(|| missing(&["chromium", "chromium-browser"]))
        .or_else(|| missing(&["chromedriver"]))
}

fn not_root() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        Some("it would ask sudo for a password".into())
    } else if !on_path("podman") {
        Some("this machine has no podman".into())
    } else {
        None
    }
}

/// The menu, or an entry of it, with the session of labs that this process is in.
fn menu(arguments: &[&str]) -> Script {
    let inherited = std::env::vars()
        .filter(|(name, _)| name.starts_with("ARCHIPELAGO_LAB_") || name == "DOCKER_HOST");
    inherited
        .fold(
            Script::without_node(NAME, arguments),
            |script, (name, value)| script.with(&name, value),
        )
        .within(ENTRY)
}

/// Starts the menu in a terminal, and types this when it asks.
async fn chosen(script: Script, line: &str) -> Result<Running, String> {
    let mut running = script.begin_in_terminal()?;
    running.says(ASKS, 1).await?;
    running.types(line).await?;
    Ok(running)
}

/// The same to its end.
async fn done(line: &str, texts: &[&str]) -> Result<Ended, String> {
    let ended = chosen(menu(&[]), line).await?.end().await?;
    ended.with_code(0, texts)
}

/// The results of the runs around, which those in here have no business to replace.
struct Results(Vec<(PathBuf, Vec<u8>)>);

impl Results {
    fn keep() -> Self {
        let folders = ["unit", "lab"].map(|profile| root().join("target/nextest").join(profile));
        let files = folders.iter().filter_map(|folder| folder.read_dir().ok());
        let files = files.flatten().flatten().map(|entry| entry.path());
        Self(
            files
                .filter_map(|path| Some((path.clone(), std::fs::read(path).ok()?)))
                .collect(),
        )
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        for (path, was) in &self.0 {
            std::fs::write(path, was).ok();
        }
    }
}

async fn it_asks_on_a_terminal_and_again_after_a_mistake() -> Outcome {
    let mut running = menu(&[]).begin_in_terminal()?;
    running.says(ASKS, 1).await?;
    running.types("10").await?;
    running
        .says("no such number: `10`; there are 1 to 9", 1)
        .await?;
    running.says(ASKS, 2).await?;
    running.types("heal").await?;
    running.says(ASKS, 3).await?;
    running.types("q").await?;
    running.end().await?.with_code(
        0,
        &[
            "\x1b[1m== archipelago ==\x1b[0m",
            "1  Unit tests",
            "9  Container",
            "q  quit",
            "\x1b[31merror:",
        ],
    )?;
    let mut running = menu(&[]).begin_in_terminal()?;
    running.says(ASKS, 1).await?;
    running.presses(CTRL_C).await?;
    running.end().await?.with_code(130, &[])?;
    // The end of input, as a terminal has it.
    let mut running = menu(&[]).begin_in_terminal()?;
    running.says(ASKS, 1).await?;
    running.presses("\x04").await?;
    running.end().await?.with_code(0, &[]).map(drop)
}

async fn without_a_terminal_it_reads_and_does_not_ask() -> Outcome {
    let piped = async |line: Option<&str>, code: i32, texts: &[&str]| {
        let mut running = menu(&[]).begin()?;
        match line {
            Some(line) => running.types(line).await?,
            None => running.types_no_more(),
        }
        let ended = running.end().await?.with_code(code, texts)?.to_string();
        match ["\x1b", ASKS].iter().find(|text| ended.contains(**text)) {
            Some(text) => Err(format!("{text:?} is for terminals: {ended}")),
            None => Ok(()),
        }
    };
    piped(None, 0, &["q  quit"]).await?;
    piped(Some("q"), 0, &["q  quit"]).await?;
    piped(Some("10"), 2, &["no such number: `10`; there are 1 to 9"]).await?;
    let ended = menu(&["0", "--once"]).to_end().await?;
    ended.with_code(2, &["no such number: `0`"])?;
    let ended = menu(&["--help"]).to_end().await?;
    if !ended.stdout.contains("Usage: scripts/dev-start.sh") {
        return Err(format!("no help: {ended}"));
    }
    ended.with_code(0, &[]).map(drop)
}

async fn unit_tests() -> Outcome {
    let _results = Results::keep();
    let test = "mock::uninstall::dependents_guard_a_package_unless_forced";
    done(
        &format!("1 {test}"),
        &[test, "Summary", "test run: ", "passed"],
    )
    .await?;
    let ended = menu(&["1", test]).to_end().await?;
    ended.with_code(0, &["1 test run: 1 passed"])?;
    // Its own code is ours.
    let ended = menu(&["1", "no_such_test_at_all"]).to_end().await?;
    ended.with_code(4, &["no tests to run"]).map(drop)
}

async fn all_tests_on_real_podman() -> Outcome {
    let _results = Results::keep();
    let line = "2 lab::uninstall::dependents_guard_a_package_unless_forced";
    done(
        line,
        &["== Labs on ", "== Summary ==", "1 passed, 0 failed"],
    )
    .await
    .map(drop)
}

async fn one_scenario() -> Outcome {
    let _results = Results::keep();
    let mut running = chosen(menu(&[]), "3").await?;
    running.says("A part of its name: ", 1).await?;
    running
        .types("uninstall::dependents_guard_a_package_unless_forced")
        .await?;
    running.end().await?.with_code(
        0,
        &[
            "test run: ",
            "passed",
            "== Summary ==",
            "1 passed, 0 failed",
        ],
    )?;
    let mut running = chosen(menu(&[]), "3").await?;
    running.says("A part of its name: ", 1).await?;
    running.types("").await?;
    running
        .end()
        .await?
        .with_code(1, &["a scenario has a name"])
        .map(drop)
}

async fn a_shell_in_a_lab() -> Outcome {
    let mut running = chosen(menu(&[]), "4").await?;
    running.says("is up", 1).await?;
    running.says("# ", 1).await?;
    running
        .types("echo in $(hostname), podman $(podman version --format '{{.Client.Version}}')")
        .await?;
    running.says("in dev-start-", 1).await?;
    // Ctrl-C is the lab's, and ends neither shell nor lab.
    running.types("echo asleep $((40 + 2)); sleep 1000").await?;
    running.says("asleep 42", 1).await?;
    running.presses(CTRL_C).await?;
    running.types("echo it ended with $?").await?;
    running.says("it ended with 130", 1).await?;
    running.types("exit 7").await?;
    let ended = running.end().await?.with_code(7, &["podman 5."])?;
    let said = ended.to_string();
    let lab = said
        .split("in dev-start-")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    let lab = format!(
        "dev-start-{}",
        lab.ok_or("the shell did not say where it is")?
    );
    let labs = tokio::process::Command::new("cargo")
        .args(["lab", "ls"])
        .current_dir(root())
        .output()
        .await
        .map_err(|error| error.to_string())?;
    let labs = String::from_utf8_lossy(&labs.stdout).into_owned();
    if labs.contains(&lab) {
        return Err(format!("it is left: {labs}\n{said}"));
    }
    Ok(())
}

/// Waits until a daemon is ready, and asks for its health.
async fn answers(running: &Running) -> Outcome {
    const READY: &str = "ready listen=";
    running.says(READY, 1).await?;
    running.says("past=", 1).await?;
    let told = running.told();
    let address = told
        .split(READY)
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("it says no address")?;
    let error = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .map_err(error)?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(error)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(error)?;
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(format!("its health: {answer}\n{told}"));
    }
    Ok(())
}

/// Ends it as a person does.
async fn stopped(mut running: Running) -> Result<Ended, String> {
    running.presses(CTRL_C).await?;
    running.end().await?.with_code(0, &["ending"])
}

async fn serve_on_a_podman_in_memory() -> Outcome {
    let script = |arguments: &[&str]| menu(arguments).with("ARCHIPELAGO_LISTEN", "127.0.0.1:0");
    let running = chosen(script(&[]), "5").await?;
    answers(&running).await?;
    stopped(running)
        .await?
        .with_code(0, &["status page", "Ctrl-C ends it and removes"])?;
    let running = script(&["5", "--mock-pull-ms", "1"]).begin_in_terminal()?;
    answers(&running).await?;
    stopped(running).await.map(drop)
}

async fn serve_on_this_machines_podman() -> Outcome {
    // This machine's podman, and nothing that it has.
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).map_err(|error| error.to_string())
    };
    write(
        "storage.conf",
        format!(
            "[storage]\ndriver = \"vfs\"\nrunroot = \"{}\"\ngraphroot = \"{}\"\n",
            path("run"),
            path("graph")
        ),
    )?;
    write(
        "containers.conf",
        format!(
            "[engine]\ntmp_dir = \"{}\"\nstatic_dir = \"{}\"\n[network]\nnetwork_config_dir = \"{}\"\n",
            path("tmp"),
            path("static"),
            path("networks")
        ),
    )?;
    write("archipelago.toml", String::new())?;
    let script = menu(&[])
        .with("CONTAINERS_STORAGE_CONF", path("storage.conf"))
        .with("CONTAINERS_CONF", path("containers.conf"))
        .with("ARCHIPELAGO_CONFIG", path("archipelago.toml"))
        .with("ARCHIPELAGO_STATE_DIR", path("state"))
        .with("ARCHIPELAGO_PODMAN_SOCKET", "none")
        .with("ARCHIPELAGO_LISTEN", "127.0.0.1:0");
    let running = chosen(script, "6").await?;
    answers(&running).await?;
    // What podman said of what it has.
    until("podman was asked", Duration::from_secs(60), async || {
        let snapshot = path("state/running-containers.json");
        let said =
            std::fs::read_to_string(&snapshot).map_err(|error| format!("{snapshot}: {error}"))?;
        if said.contains("\"containers\": []") && Path::new(&path("graph")).exists() {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await?;
    stopped(running).await.map(drop)
}

async fn conformance() -> Outcome {
    let line = "7 --base debian-13 --case create::create";
    done(line, &["1 cases", "0 divergences in 0 cases"])
        .await
        .map(drop)
}

async fn doctor() -> Outcome {
    done("8", &["network modules", "base maker"])
        .await
        .map(drop)
}
