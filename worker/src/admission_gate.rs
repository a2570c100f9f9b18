//! Pauses the reading of events while MongoDB is unavailable; the stream keeps them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use heyi_common::store::{Store, StoreError};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

/// How often MongoDB is pinged while it answers, and while it does not.
const EVERY: Duration = Duration::from_secs(1);
const EVERY_WHILE_CLOSED: Duration = Duration::from_millis(250);
/// Timeout of a ping of MongoDB.
const PATIENCE: Duration = Duration::from_secs(3);

/// A gate that closes when MongoDB becomes unavailable and reopens when it recovers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AdmissionGate {
    store: Store,
    open: Arc<watch::Sender<bool>>,
    problem: Arc<Mutex<Option<String>>>,
}

impl AdmissionGate {
    /// A gate that is closed until MongoDB first answers.
    pub(crate) fn new(store: Store) -> (Self, watch::Receiver<bool>) {
        let (open, receiver) = watch::channel(false);
        let gate = Self {
            store,
            open: Arc::new(open),
            problem: Arc::default(),
        };
        (gate, receiver)
    }

    /// The reason for a closed gate, for the operator; `None` while it is open.
    pub(crate) async fn problem(&self) -> Option<String> {
        let known = self.lock().clone();
        if known.is_some() || *self.open.borrow() {
            return known;
        }
        Some(match timeout(PATIENCE, self.store.ping()).await {
            Ok(Ok(())) => "the worker is starting".to_owned(),
            Ok(Err(error)) => self.store.explain(&error).await,
            Err(_) => self.store.explain(&StoreError::Slow).await,
        })
    }

    /// Records why the worker has not started yet.
    pub(crate) fn starting(&self, why: &str) {
        *self.lock() = Some(why.to_owned());
    }

    /// Closes the gate after an error that shows MongoDB to be unavailable.
    pub(crate) fn close(&self, why: &str) {
        *self.lock() = Some(why.to_owned());
        self.open
            .send_if_modified(|open| std::mem::replace(open, false));
        tracing::warn!(error = why, "MongoDB cannot be used, taking no events");
    }

    /// Opens and closes the gate as MongoDB's availability changes, until `stop`.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        let mut has_indexes = false;
        loop {
            match self.ask(&mut has_indexes).await {
                Ok(()) => self.open(),
                Err(error) => self.close(&self.store.explain(&error).await),
            }
            let pause = if *self.open.borrow() {
                EVERY
            } else {
                EVERY_WHILE_CLOSED
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Creates the indexes first: without the unique index, no promotion is safe.
    async fn ask(&self, has_indexes: &mut bool) -> Result<(), StoreError> {
        if *has_indexes {
            let answer = timeout(PATIENCE, self.store.ping()).await;
            return answer.unwrap_or(Err(StoreError::Slow));
        }
        self.store.ensure_indexes().await?;
        *has_indexes = true;
        Ok(())
    }

    fn open(&self) {
        *self.lock() = None;
        let is_new = self
            .open
            .send_if_modified(|open| !std::mem::replace(open, true));
        if is_new {
            tracing::info!(
                mongo.address = self.store.address(),
                "MongoDB answers, taking events"
            );
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
