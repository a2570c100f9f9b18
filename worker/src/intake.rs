//! Whether the worker takes events: not while MongoDB is out of reach, since they are safe in the stream.

use std::{sync::Arc, time::Duration};

use heyi_common::store::Store;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

/// How often MongoDB is asked while it answers, and while it does not.
const EVERY: Duration = Duration::from_secs(1);
const EVERY_WHILE_CLOSED: Duration = Duration::from_millis(250);
/// A MongoDB that takes longer than this is out of reach.
const PATIENCE: Duration = Duration::from_secs(3);

/// A door that closes when MongoDB goes away and opens when it is back. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    store: Store,
    open: Arc<watch::Sender<bool>>,
}

impl Intake {
    /// A door that is closed until MongoDB answers for the first time.
    pub(crate) fn new(store: Store) -> (Self, watch::Receiver<bool>) {
        let (open, receiver) = watch::channel(false);
        (
            Self {
                store,
                open: Arc::new(open),
            },
            receiver,
        )
    }

    /// Closes the door at once, by one who saw that MongoDB is out of reach.
    pub(crate) fn close(&self) {
        self.turn(false, "MongoDB is out of reach, taking no events");
    }

    /// Opens and closes the door as MongoDB comes and goes, until told to stop.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        let mut has_indexes = false;
        loop {
            match self.ask(&mut has_indexes).await {
                Ok(()) => self.turn(true, "MongoDB answers, taking events"),
                Err(error) => {
                    tracing::debug!(error = %error, "MongoDB does not answer");
                    self.close();
                }
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

    /// The first answer comes with the indexes: without the unique one, no promotion is safe.
    async fn ask(&self, has_indexes: &mut bool) -> anyhow::Result<()> {
        if *has_indexes {
            timeout(PATIENCE, self.store.ping()).await??;
        } else {
            self.store.ensure_indexes().await?;
            *has_indexes = true;
        }
        Ok(())
    }

    fn turn(&self, open: bool, message: &str) {
        let turned = self
            .open
            .send_if_modified(|now| std::mem::replace(now, open) != open);
        if turned && open {
            tracing::info!("{message}");
        } else if turned {
            tracing::warn!("{message}");
        }
    }
}
