//! Inserts of one moment in one command.
//!
//! With one command per document, a promotion costs the worker 4.4 times the CPU
//! ([measured](../../../docs/performance.md#speed-ups)).

use std::collections::BTreeMap;

use mongodb::{
    Collection,
    bson::{RawDocumentBuf, serialize_to_raw_document_buf},
    error::{Error, ErrorKind},
};
use serde::Serialize;

use super::DUPLICATE_KEY;
use crate::batch::{Batch, Batcher};

/// MongoDB's maximum size of a document. For a longer one, the driver would refuse the whole batch.
const LONGEST: usize = 16 << 20;

/// The outcome of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// Written: journaled and on a majority.
    Written,
    /// A document with the same key already exists.
    Duplicate,
}

/// Inserts into one collection. A batch costs one write to the journal. Each document has its own outcome.
#[derive(Debug, Clone)]
pub(super) struct Inserts(Batcher<Target>);

struct Target(Collection<RawDocumentBuf>);

impl Inserts {
    pub(super) fn new(collection: Collection<RawDocumentBuf>) -> Self {
        Self(Batcher::new(Target(collection)))
    }

    pub(super) async fn insert(&self, document: &impl Serialize) -> Result<Inserted, Error> {
        let document = serialize_to_raw_document_buf(document)?;
        if document.as_bytes().len() > LONGEST {
            return Err(Error::custom("the document is too long"));
        }
        self.0.ask(document).await.map_err(Error::custom)?
    }
}

impl Batch for Target {
    type Request = RawDocumentBuf;
    type Answer = Result<Inserted, Error>;

    const LANES: usize = 1;
    const LARGEST: usize = 128;
    const WAITING: usize = 128;

    async fn carry_out(
        &self,
        _: usize,
        documents: Vec<RawDocumentBuf>,
    ) -> Vec<Result<Inserted, Error>> {
        let written = self.0.insert_many(&documents).ordered(false).await;
        let mut failures = Failures::of(written.map(drop));
        (0..documents.len())
            .map(|index| failures.take(index))
            .collect()
    }
}

/// The errors of a command.
#[derive(Default)]
struct Failures {
    /// Errors of single documents.
    of_some: BTreeMap<usize, Result<Inserted, Error>>,
    /// The error of all others.
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
            // They are written, but without the requested durability.
            of_others: failed.write_concern_error.as_ref().map(|_| error.clone()),
        }
    }

    fn take(&mut self, index: usize) -> Result<Inserted, Error> {
        let of_others = || self.of_others.clone().map_or(Ok(Inserted::Written), Err);
        self.of_some.remove(&index).unwrap_or_else(of_others)
    }
}
