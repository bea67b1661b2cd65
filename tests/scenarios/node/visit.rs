//! One process's visit to a node, from the connection to the last look back: whatever happens in between, the node is
//! left as it was, or the next visit sees to it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::api::Api;
use super::clean::{Cleaned, clean};
use super::configuration::Configuration;
use super::error::NodeError;
use super::evidence;
use super::inventory::Inventory;
use super::lock::{Lease, holder};
use super::mark::Mark;
use super::refuse::unsettled;
use super::signals::Signals;
use super::ssh::Session;
use super::target::Node;
use crate::registry::Outcome;
use crate::stage::Stage;

/// How long a node whose daemon has just been started may take to come to rest.
const REST: Duration = Duration::from_secs(20);
/// How long a connection that was lost is tried again, to clean up.
const RETURN: Duration = Duration::from_secs(40);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(500);

/// What is done on a node.
pub(crate) type Work =
    Box<dyn for<'a> FnOnce(&'a mut Stage) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>>;

/// How a visit ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Why the work failed.
    pub(crate) failure: Option<String>,
    /// What can be learned of that, and where it lies.
    pub(crate) evidence: Option<String>,
    /// What else went wrong: the way there, the way back, what was left.
    pub(crate) errors: Vec<String>,
    /// How the node differs from what it was before.
    pub(crate) left: Option<String>,
}

/// What the visit has noted down, for whoever cleans up.
type Noted = Arc<Mutex<Mark>>;

/// Visits the node that the environment names, for work that installs these packages of the catalog. Evidence of a failure is
/// kept under this name.
pub(crate) async fn visit(name: &str, packages: &[&str], work: Work) -> Ended {
    let mut ended = Ended::default();
    if let Err(error) = try_visit(name, packages, work, &mut ended).await {
        ended.errors.insert(0, archipelago_lab::chain(&error));
    }
    ended
}

async fn try_visit(
    name: &str,
    packages: &[&str],
    work: Work,
    ended: &mut Ended,
) -> Result<(), NodeError> {
    let configuration = Configuration::from_env()?;
    let mut signals = Signals::listen()?;
    let session = tokio::select! {
        biased;
        signal = signals.next() => return Err(NodeError::Interrupted(signal)),
        session = connect(&configuration) => session?,
    };
    let lease = match Lease::take(&session).await {
        Err(error @ NodeError::Lost { .. }) => {
            // It may have been taken.
            ended.errors.push(archipelago_lab::chain(&error));
            let gone = return_and_clean(&configuration, None).await;
            return gone.map(drop);
        }
        lease => lease?,
    };
    let mut noted = None;
    let outcome = tokio::select! {
        biased;
        signal = signals.next() => Err(NodeError::Interrupted(signal)),
        error = lease.lost(&session) => Err(error),
        outcome = stay(name, packages, &session, &lease, &mut noted, work) => outcome,
    };
    let was_lost = session.is_lost().await;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err((failure, evidence))) => {
            ended.failure = Some(failure);
            ended.evidence = Some(evidence);
        }
        Err(error) => ended.errors.push(archipelago_lab::chain(&error)),
    }
    let noted = match noted {
        Some(noted) => Some(noted.lock().await.clone()),
        None => None,
    };
    let gone = match was_lost {
        true => return_and_clean(&configuration, noted).await,
        false => match depart(&session, &lease, noted.as_ref()).await {
            Err(error) if session.is_lost().await => {
                eprintln!("{}: over another one", archipelago_lab::chain(&error));
                return_and_clean(&configuration, noted).await
            }
            gone => gone,
        },
    };
    if let Ok(session) = Arc::try_unwrap(session) {
        session.close().await;
    }
    match gone {
        Ok(left) => {
            ended.errors.extend(
                left.iter()
                    .cloned()
                    .map(|left| NodeError::Left(left).to_string()),
            );
            ended.left = left;
        }
        Err(error) => ended.errors.push(archipelago_lab::chain(&error)),
    }
    Ok(())
}

/// Connects and sees that everything may be asked.
async fn connect(configuration: &Configuration) -> Result<Arc<Session>, NodeError> {
    let session = Session::open(configuration).await?;
    let output = session.run("let us use sudo", &["true"], b"").await?;
    if output.code != 0 {
        return Err(NodeError::NoSudo {
            user: configuration.user.clone(),
            said: output.stderr.trim().to_owned(),
        });
    }
    Ok(Arc::new(session))
}

/// With the lock: undoes what a dead run left, sees that the node may be used, and does the work.
async fn stay(
    name: &str,
    packages: &[&str],
    session: &Arc<Session>,
    lease: &Lease,
    noted: &mut Option<Noted>,
    work: Work,
) -> Result<Result<(), (String, String)>, NodeError> {
    let api = Api::open(session.clone()).await?;
    if let Some(mark) = Mark::read(session).await? {
        eprintln!(
            "run `{}` of {} did not clean up: what it left is removed",
            mark.run, mark.holder
        );
        let cleaned = clean(session, &api, &mark).await?;
        done(session, &cleaned).await?;
    }
    until_at_rest(&api).await?;
    let mark = Mark {
        run: lease.run().to_owned(),
        holder: holder(),
        before: Inventory::of(session).await?,
        claims: Vec::new(),
    };
    let mark = Arc::new(Mutex::new(mark));
    *noted = Some(mark.clone());
    let cursor = evidence::cursor(session).await?;
    let node = Node {
        session: session.clone(),
        api,
        mark,
        cursor: cursor.clone(),
    };
    for package in packages {
        node.may_install(package).await?;
    }
    let mut stage = Stage::new(Box::new(node));
    let outcome = work(&mut stage).await;
    Ok(match outcome {
        Ok(()) => Ok(()),
        Err(error) => {
            let kept = evidence::keep(name, session, &stage, cursor.as_deref()).await;
            Err((error, kept))
        }
    })
}

/// Undoes all that was noted, and looks back.
async fn depart(
    session: &Arc<Session>,
    lease: &Lease,
    noted: Option<&Mark>,
) -> Result<Option<String>, NodeError> {
    let cleaned = match noted {
        Some(mark) => tidy(session, mark).await,
        None => Ok(None),
    };
    let released = lease.release(session).await;
    let left = cleaned.map_err(|error| NodeError::NotCleaned {
        why: archipelago_lab::chain(&error),
    })?;
    released?;
    Ok(left)
}

async fn tidy(session: &Arc<Session>, mark: &Mark) -> Result<Option<String>, NodeError> {
    let api = Api::open(session.clone()).await?;
    let cleaned = clean(session, &api, mark).await?;
    if !mark.claims.is_empty() {
        done(session, &cleaned).await?;
    }
    Ok(cleaned.changed)
}

/// The note goes when nothing of ours is left.
async fn done(session: &Session, cleaned: &Cleaned) -> Result<(), NodeError> {
    if cleaned.ours.is_empty() {
        Mark::remove(session).await
    } else {
        Err(NodeError::Left(cleaned.ours.join(", ")))
    }
}

/// The connection was lost: the node may have been started anew. Another one is made to clean up, if it can be.
async fn return_and_clean(
    configuration: &Configuration,
    noted: Option<Mark>,
) -> Result<Option<String>, NodeError> {
    let claims_nothing = noted.as_ref().is_none_or(|mark| mark.claims.is_empty());
    let deadline = Instant::now() + RETURN;
    loop {
        let again = async {
            let session = connect(configuration).await?;
            let lease = Lease::take_again(&session).await?;
            let gone = depart(&session, &lease, noted.as_ref()).await;
            if let Ok(session) = Arc::try_unwrap(session) {
                session.close().await;
            }
            gone
        };
        match again.await {
            Ok(left) => return Ok(left),
            // There is nothing but a lease, which ends by itself.
            Err(_) if Instant::now() > deadline && claims_nothing => return Ok(None),
            Err(error) if Instant::now() > deadline => {
                return Err(match error {
                    NodeError::NotCleaned { .. } => error,
                    error => NodeError::NotCleaned {
                        why: archipelago_lab::chain(&error),
                    },
                });
            }
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Waits until nothing is under way: what a restart of the daemon could meddle with.
async fn until_at_rest(api: &Api) -> Result<(), NodeError> {
    let deadline = Instant::now() + REST;
    loop {
        let packages = api.result("package.list", json!({})).await?;
        let health = api.result("system.health", json!({})).await?;
        match unsettled(&packages, &health) {
            Ok(()) => return Ok(()),
            Err(refusal) if Instant::now() > deadline => return Err(refusal.into()),
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}
