//! Documents of one moment, inserted by one command.
//!
//! With a command for each document, a promotion costs the worker 4.4 times the CPU
//! ([measured](../../../docs/performance.md#speed-ups)).

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use mongodb::{
    Collection,
    bson::{RawDocumentBuf, serialize_to_raw_document_buf},
    error::{Error, ErrorKind},
};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::DUPLICATE_KEY;
use crate::batch::fill;

/// MongoDB takes none that is longer; the driver would refuse those beside it as well.
const LONGEST: usize = 16 << 20;
/// Documents of one command at most.
const LARGEST: usize = 128;

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is there, journaled and on a majority.
    Written,
    /// One with the same key was there before.
    Duplicate,
}

type Done = oneshot::Sender<Result<Inserted, Error>>;

/// Inserts into one collection. While one command is under way the next one fills, so a document that comes alone
/// waits for nothing, and many cost one write to the journal. Each has its own outcome.
#[derive(Debug, Clone)]
pub(super) struct Inserts {
    collection: Collection<RawDocumentBuf>,
    queue: Arc<OnceLock<mpsc::Sender<(RawDocumentBuf, Done)>>>,
}

impl Inserts {
    pub(super) fn new(collection: Collection<RawDocumentBuf>) -> Self {
        Self {
            collection,
            queue: Arc::default(),
        }
    }

    pub(super) async fn insert(&self, document: &impl Serialize) -> Result<Inserted, Error> {
        let document = serialize_to_raw_document_buf(document)?;
        if document.as_bytes().len() > LONGEST {
            return Err(Error::custom("the document is too long"));
        }
        let (done, outcome) = oneshot::channel();
        let queue = self.queue.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(LARGEST);
            tokio::spawn(run(self.collection.clone(), receiver));
            sender
        });
        // The task ends with this value, or with the runtime.
        let ended = || Error::custom("this process is ending");
        queue.send((document, done)).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

async fn run(
    collection: Collection<RawDocumentBuf>,
    mut queue: mpsc::Receiver<(RawDocumentBuf, Done)>,
) {
    let mut batch = Vec::with_capacity(LARGEST);
    while fill(&mut batch, &mut queue, LARGEST).await {
        let (documents, waiting): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let written = collection.insert_many(&documents).ordered(false).await;
        deliver(written.map(drop), waiting);
    }
}

fn deliver(written: Result<(), Error>, waiting: Vec<Done>) {
    let mut failures = Failures::of(written);
    for (index, done) in waiting.into_iter().enumerate() {
        // Nobody waits any more when the handler took too long.
        let _ = done.send(failures.take(index));
    }
}

/// What went wrong with a command.
#[derive(Default)]
struct Failures {
    /// With single documents.
    of_some: BTreeMap<usize, Result<Inserted, Error>>,
    /// With all others.
    of_others: Option<Error>,
}

impl Failures {
    fn of(written: Result<(), Error>) -> Self {
        let Err(error) = written else {
            return Self::default();
        };
        let ErrorKind::InsertMany(failed) = &*error.kind else {
            return Self {
                of_some: BTreeMap::new(),
                of_others: Some(error),
            };
        };
        let of_some = failed.write_errors.iter().flatten().map(|failure| {
            let outcome = if failure.code == DUPLICATE_KEY {
                Ok(Inserted::Duplicate)
            } else {
                Err(error.clone())
            };
            (failure.index, outcome)
        });
        Self {
            of_some: of_some.collect(),
            // They are written, but not as safely as was asked for.
            of_others: failed.write_concern_error.as_ref().map(|_| error.clone()),
        }
    }

    fn take(&mut self, index: usize) -> Result<Inserted, Error> {
        let of_others = || self.of_others.clone().map_or(Ok(Inserted::Written), Err);
        self.of_some.remove(&index).unwrap_or_else(of_others)
    }
}
