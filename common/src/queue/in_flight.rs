//! The events that this process works on.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::Partition;

/// What this process works on, so that it does not take it over from itself.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Events>);

#[derive(Debug, Default)]
struct Events {
    all: Mutex<HashSet<(Partition, String)>>,
    /// One of them has ended.
    ended: Notify,
}

impl InFlight {
    /// Notes an event; false when it was noted before.
    pub(super) fn add(&self, partition: Partition, id: &str) -> bool {
        self.all().insert((partition, id.to_owned()))
    }

    pub(super) fn remove(&self, partition: Partition, id: &str) {
        self.all().remove(&(partition, id.to_owned()));
        self.0.ended.notify_waiters();
    }

    pub(super) fn contains(&self, partition: Partition, id: &str) -> bool {
        self.all().contains(&(partition, id.to_owned()))
    }

    /// Waits until it works on nothing.
    pub(super) async fn emptied(&self) {
        loop {
            let ended = self.0.ended.notified();
            if self.all().is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn all(&self) -> MutexGuard<'_, HashSet<(Partition, String)>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
