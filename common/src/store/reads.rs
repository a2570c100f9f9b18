//! Codes that are scanned at one moment, found by one command.
//!
//! For a page whose code is not in memory, one command for each code costs the api 3.2 times the CPU, and MongoDB 6.7 times. Batches
//! without `PACE` cost them 1.33 and 1.66 times ([measured](../../../docs/performance.md#speed-ups)).

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use mongodb::{
    Collection,
    bson::{RawDocumentBuf, doc, oid::ObjectId},
    error::Error,
};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{CodeState, Result, StoreError, part::projection, read};
use crate::batch;

/// Commands that may be under way at the same time; while they are, the next one fills.
const LANES: usize = 2;
/// The least time from one command to the next, unless [`ENOUGH`] codes wait. Each command costs MongoDB and the
/// driver as much as ten codes more in it. Where hundreds of codes a second are read, those of this time go
/// together; where few are, none waits.
const PACE: Duration = Duration::from_millis(4);
/// So many codes wait no longer.
const ENOUGH: usize = 12;
/// Codes of one command at most. One command reads them one after the other.
const LARGEST: usize = 64;
/// Who waits for a command, before those who ask wait as well.
const WAITING: usize = 1024;

/// Shared by those who asked for the same code.
pub(super) type Found = Arc<RawDocumentBuf>;
type Asked = (ObjectId, oneshot::Sender<Result<Option<Found>>>);

/// Reads what pages need of codes by their ids, several by one command. Each has its own outcome.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    codes: Collection<RawDocumentBuf>,
    queue: Arc<OnceLock<mpsc::Sender<Asked>>>,
}

impl Reads {
    pub(super) fn new(codes: Collection<RawDocumentBuf>) -> Self {
        Self {
            codes,
            queue: Arc::default(),
        }
    }

    /// The fields of [`Scanned`](super::Scanned) that are there after this was called.
    pub(super) async fn code(&self, id: ObjectId) -> Result<Option<Found>> {
        let (done, outcome) = oneshot::channel();
        let queue = self.queue.get_or_init(|| self.start());
        // The lanes end with this value, or with the runtime.
        let ended = || StoreError::Mongo(Error::custom("this process is ending"));
        queue.send((id, done)).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }

    fn start(&self) -> mpsc::Sender<Asked> {
        let (sender, asked) = mpsc::channel(WAITING);
        let queue = Arc::new(Mutex::new(Queue {
            asked,
            next: Instant::now(),
        }));
        for _ in 0..LANES {
            tokio::spawn(run(self.codes.clone(), queue.clone()));
        }
        sender
    }
}

/// Who waits for a command.
struct Queue {
    asked: mpsc::Receiver<Asked>,
    /// When the next command may be sent.
    next: Instant,
}

impl Queue {
    /// Waits until a command is to be sent, for those who are added to `waiting`. False when there will be none any more.
    async fn fill(&mut self, waiting: &mut Vec<Asked>) -> bool {
        let Some(first) = self.asked.recv().await else {
            return false;
        };
        waiting.push(first);
        while waiting.len() < ENOUGH
            && let Ok(Some(another)) = timeout_at(self.next, self.asked.recv()).await
        {
            waiting.push(another);
        }
        batch::fill_up(waiting, &mut self.asked, LARGEST).await;
        self.next = Instant::now() + PACE;
        true
    }
}

async fn run(codes: Collection<RawDocumentBuf>, queue: Arc<Mutex<Queue>>) {
    let mut waiting = Vec::with_capacity(LARGEST);
    while queue.lock().await.fill(&mut waiting).await {
        let ids: Vec<ObjectId> = waiting.iter().map(|(id, _)| *id).collect();
        deliver(&find(&codes, &ids).await, waiting.drain(..));
    }
}

async fn find(codes: &Collection<RawDocumentBuf>, ids: &[ObjectId]) -> Result<Vec<Found>> {
    let needed = projection::<CodeState>();
    // MongoDB has a shorter way to a single one.
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

fn deliver(found: &Result<Vec<Found>>, waiting: impl Iterator<Item = Asked>) {
    for (id, done) in waiting {
        let outcome = match found {
            Ok(found) => Ok(found
                .iter()
                .find(|code| code.get_object_id("_id").is_ok_and(|own| own == id))
                .cloned()),
            Err(StoreError::Mongo(error) | StoreError::Denied(error)) => Err(error.clone().into()),
            Err(_) => Err(StoreError::Slow),
        };
        // Nobody waits any more when the client has gone.
        let _ = done.send(outcome);
    }
}
