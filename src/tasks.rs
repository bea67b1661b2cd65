//! The daemon's background work: ended as one, and not ended by a client that hangs up.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Tasks of one daemon. Cheap to clone.
#[derive(Clone)]
pub struct Tasks {
    set: Arc<Mutex<Option<JoinSet<()>>>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            set: Arc::new(Mutex::new(Some(JoinSet::new()))),
        }
    }
}

impl Tasks {
    /// Starts `work`, unless the daemon has ended.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = set.as_mut() {
            while set.try_join_next().is_some() {}
            set.spawn(work);
        }
    }

    /// Runs `work` to its end, also when the caller goes away. `None`: the daemon ended before it did.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (send, receive) = oneshot::channel();
        self.spawn(async move {
            // The caller may have gone away; the work is done all the same.
            drop(send.send(work.await));
        });
        receive.await.ok()
    }

    /// Ends all tasks, at whatever await they are, and waits until they are gone. Nothing is started afterwards.
    pub async fn end(&self) {
        let set = self
            .set
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut set) = set {
            set.shutdown().await;
        }
    }
}
