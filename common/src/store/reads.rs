//! Codes that are asked for at one moment, found by one command.

use std::sync::{Arc, OnceLock};

use futures::TryStreamExt;
use mongodb::{
    Collection,
    bson::{RawDocumentBuf, deserialize_from_slice, doc, oid::ObjectId},
    error::Error,
};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{Code, Result, StoreError, read};
use crate::batch;

/// Commands that may be under way at once; while they are, the next one fills.
const LANES: usize = 2;
/// Codes of one command at most. One command reads them one after the other.
const LARGEST: usize = 16;
/// Who waits for a command, before those who ask wait as well.
const WAITING: usize = 1024;

type Done = oneshot::Sender<Result<Option<Code>>>;

/// Reads codes by their ids. While commands are under way the next one fills, so a code that is asked for alone
/// waits for nothing, and a command for many costs little more than one for one. Each has its own outcome.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    codes: Collection<RawDocumentBuf>,
    queue: Arc<OnceLock<mpsc::Sender<(ObjectId, Done)>>>,
}

impl Reads {
    pub(super) fn new(codes: Collection<RawDocumentBuf>) -> Self {
        Self {
            codes,
            queue: Arc::default(),
        }
    }

    /// What is there after this was called, without the changes of the code.
    pub(super) async fn code(&self, id: ObjectId) -> Result<Option<Code>> {
        let (done, outcome) = oneshot::channel();
        let queue = self.queue.get_or_init(|| self.start());
        // The lanes end with this value, or with the runtime.
        let ended = || StoreError::Mongo(Error::custom("this process is ending"));
        queue.send((id, done)).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }

    fn start(&self) -> mpsc::Sender<(ObjectId, Done)> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..LANES {
            tokio::spawn(run(self.codes.clone(), receiver.clone()));
        }
        sender
    }
}

async fn run(
    codes: Collection<RawDocumentBuf>,
    queue: Arc<Mutex<mpsc::Receiver<(ObjectId, Done)>>>,
) {
    let mut waiting = Vec::with_capacity(LARGEST);
    while batch::fill(&mut waiting, &mut *queue.lock().await, LARGEST).await {
        let ids: Vec<ObjectId> = waiting.iter().map(|(id, _)| *id).collect();
        deliver(&find(&codes, &ids).await, waiting.drain(..));
    }
}

async fn find(codes: &Collection<RawDocumentBuf>, ids: &[ObjectId]) -> Result<Vec<RawDocumentBuf>> {
    let without = doc! { "changes": 0 };
    // MongoDB has a shorter way to a single one.
    if let [id] = ids {
        let code = codes.find_one(doc! { "_id": id }).projection(without);
        return Ok(read(code).await?.into_iter().collect());
    }
    let found = async {
        let codes = codes.find(doc! { "_id": { "$in": ids } });
        codes.projection(without).await?.try_collect().await
    };
    read(found).await
}

fn deliver(found: &Result<Vec<RawDocumentBuf>>, waiting: impl Iterator<Item = (ObjectId, Done)>) {
    for (id, done) in waiting {
        let outcome = match found {
            Ok(found) => found
                .iter()
                .find(|code| code.get_object_id("_id").is_ok_and(|own| own == id))
                .map(|code| deserialize_from_slice(code.as_bytes()).map_err(Error::from))
                .transpose()
                .map_err(StoreError::from),
            Err(StoreError::Mongo(error)) => Err(error.clone().into()),
            Err(_) => Err(StoreError::Slow),
        };
        // Nobody waits any more when the client has gone.
        let _ = done.send(outcome);
    }
}
