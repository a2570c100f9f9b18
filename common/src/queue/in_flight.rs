//! The events that are in flight in this process.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::Partition;

/// The events in flight, so that this process does not take them over from itself.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Events>);

#[derive(Debug, Default)]
struct Events {
    all: Mutex<HashSet<(Partition, String)>>,
    /// Notified when one of them ends.
    ended: Notify,
}

impl InFlight {
    /// Adds an event. False if it was added before.
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

    /// Waits until no event is in flight.
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
