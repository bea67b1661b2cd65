//! Whether the monitor's loop makes progress: before each step it promises when the next one begins.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The loop's last promise. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    promise: Arc<Mutex<Promise>>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Promise {
    /// Nothing was promised yet: recovery takes as long as it takes.
    #[default]
    None,
    /// The next step begins by then.
    By(Instant),
    /// The loop has ended.
    Ended,
}

/// The loop is not where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overdue {
    /// It broke its promise.
    #[error("the health monitor is stuck: its next step is overdue for {} s", .0.as_secs())]
    Late(Duration),
    /// It is no more.
    #[error("the health monitor has ended")]
    Ended,
}

impl Pulse {
    /// The loop begins; its end is noticed when the value is dropped.
    pub(crate) fn begin(&self) -> Beating {
        Beating(self.clone())
    }

    /// The next step begins within so much time.
    pub(super) fn promise(&self, within: Duration) {
        *self.lock() = Promise::By(Instant::now() + within);
    }

    /// Whether the loop keeps what it promised.
    ///
    /// # Errors
    /// [`Overdue`] where it does not.
    pub fn check(&self) -> Result<(), Overdue> {
        match *self.lock() {
            Promise::None => Ok(()),
            Promise::Ended => Err(Overdue::Ended),
            Promise::By(due) => match Instant::now().checked_duration_since(due) {
                Some(late) if !late.is_zero() => Err(Overdue::Late(late)),
                Some(_) | None => Ok(()),
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Promise> {
        // A single assignment is done under the lock.
        self.promise.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A loop that runs, as long as this is held.
#[derive(Debug)]
pub(crate) struct Beating(Pulse);

impl Drop for Beating {
    fn drop(&mut self) {
        *self.0.lock() = Promise::Ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_promise_holds_until_its_time_and_an_end_is_seen_at_once() {
        let pulse = Pulse::default();
        let beating = pulse.begin();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(pulse.check(), Ok(()), "recovery has no limit");
        pulse.promise(Duration::from_secs(300));
        tokio::time::advance(Duration::from_secs(300)).await;
        assert_eq!(pulse.check(), Ok(()));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(pulse.check(), Err(Overdue::Late(Duration::from_secs(7))));
        pulse.promise(Duration::from_secs(1));
        assert_eq!(pulse.check(), Ok(()));
        drop(beating);
        assert_eq!(pulse.check(), Err(Overdue::Ended));
    }
}
