//! Reads of scanned codes, several in one command.
//!
//! If a page's code is not in memory, one command per code costs the api 3.2 times the CPU, and MongoDB 6.7 times. Batches
//! without `PACE` cost them 1.33 and 1.66 times ([measured](../../../docs/performance.md#speed-ups)).

use std::{sync::Arc, time::Duration};

use mongodb::{
    Collection,
    bson::{RawDocumentBuf, doc, oid::ObjectId},
    error::Error,
};

use super::{CodeState, Result, StoreError, part::projection, read};
use crate::batch::{Batch, Batcher, Pace};

/// Shared by all requests for the same code.
pub(super) type Found = Arc<RawDocumentBuf>;

/// Reads the parts of codes that pages need, several in one command. Each has its own outcome.
#[derive(Debug, Clone)]
pub(super) struct Reads(Batcher<Codes>);

struct Codes(Collection<RawDocumentBuf>);

impl Reads {
    pub(super) fn new(codes: Collection<RawDocumentBuf>) -> Self {
        Self(Batcher::new(Codes(codes)))
    }

    /// The fields of [`Scanned`](super::Scanned), read after this was called.
    pub(super) async fn code(&self, id: ObjectId) -> Result<Option<Found>> {
        self.0.ask(id).await.map_err(Error::custom)?
    }
}

impl Batch for Codes {
    type Request = ObjectId;
    type Answer = Result<Option<Found>>;

    const LANES: usize = 2;
    /// One command reads its codes sequentially.
    const LARGEST: usize = 64;
    const WAITING: usize = 1024;
    /// Each command costs MongoDB and the driver as much as ten codes more in it. With hundreds of reads a second, those of
    /// this time share a command. With few, none waits.
    const PACE: Option<Pace> = Some(Pace {
        time: Duration::from_millis(4),
        enough: 12,
    });

    async fn carry_out(&self, _: usize, ids: Vec<ObjectId>) -> Vec<Self::Answer> {
        let found = find(&self.0, &ids).await;
        ids.iter().map(|id| outcome(&found, *id)).collect()
    }
}

async fn find(codes: &Collection<RawDocumentBuf>, ids: &[ObjectId]) -> Result<Vec<Found>> {
    let needed = projection::<CodeState>();
    // MongoDB has a shorter path for a single id.
    if let [id] = ids {
        let code = codes.find_one(doc! { "_id": id }).projection(needed);
        return Ok(read(code).await?.into_iter().map(Arc::new).collect());
    }
    let found = async {
        let codes = codes.find(doc! { "_id": { "$in": ids } });
        let mut cursor = codes.projection(needed).await?;
        let mut found = Vec::with_capacity(ids.len());
        while cursor.advance().await? {
            found.push(Arc::new(cursor.current().to_owned()));
        }
        Ok(found)
    };
    read(found).await
}

fn outcome(found: &Result<Vec<Found>>, id: ObjectId) -> Result<Option<Found>> {
    match found {
        Ok(found) => {
            let is_it = |code: &&Found| code.get_object_id("_id").is_ok_and(|own| own == id);
            Ok(found.iter().find(is_it).cloned())
        }
        Err(StoreError::Mongo(error) | StoreError::Denied(error)) => Err(error.clone().into()),
        Err(_) => Err(StoreError::Slow),
    }
}
