//! The records of installations in MongoDB.

use std::time::Duration;

use futures::TryStreamExt;
use mongodb::{
    Collection,
    bson::{DateTime, Document, RawDocumentBuf, doc, serialize_to_document},
    error::Error,
    options::ReadConcern,
};
use serde::Deserialize;

use super::{Result, Store, decode::decode, is_duplicate, read};
use crate::installation::{Record, Used};

/// The id of the first record, so that only one of several starting processes creates it.
const FIRST: &str = "installation";

/// A record in MongoDB.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    pub(crate) record: Record,
    /// When a running process last renewed it.
    pub(crate) used: Option<Used>,
}

/// The age of a renewal, by MongoDB's clock only.
#[derive(Deserialize)]
struct Times {
    used_at: Option<DateTime>,
    now: DateTime,
}

impl Times {
    fn used(self) -> Option<Used> {
        let at = self.used_at?.timestamp_millis();
        // The clock may have been set back since.
        let age = Duration::from_millis(self.now.timestamp_millis().abs_diff(at));
        Some(Used { at, age })
    }
}

impl Store {
    /// The records that a majority has. More than one only if an operator runs several queues on one database.
    pub async fn installation(&self) -> Result<Vec<StoredRecord>> {
        let collection = self.installations().clone_with_type::<RawDocumentBuf>();
        let found = collection
            .aggregate([doc! { "$set": { "now": "$$NOW" } }])
            .read_concern(ReadConcern::majority())
            .with_type::<RawDocumentBuf>();
        let found: Vec<RawDocumentBuf> = read(async { found.await?.try_collect().await }).await?;
        let records = found.iter().map(|found| {
            let record = decode(collection.name(), found)?;
            let times: Times = decode(collection.name(), found)?;
            let used = times.used();
            Ok(StoredRecord { record, used })
        });
        records.collect()
    }

    /// Records that a running process uses the installation.
    pub async fn renew_installation(&self, id: &str) -> Result<()> {
        let used = doc! { "$currentDate": { "used_at": true } };
        self.installations()
            .update_one(doc! { "id": id }, used)
            .await?;
        Ok(())
    }

    /// Writes the first record if none exists.
    pub async fn create_installation(&self, record: &Record) -> Result<()> {
        match self
            .installations()
            .insert_one(document(FIRST, record)?)
            .await
        {
            Err(error) if !is_duplicate(&error) => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Writes an additional record.
    pub async fn add_installation(&self, record: &Record) -> Result<()> {
        let document = document(&record.id, record)?;
        self.installations().insert_one(document).await?;
        Ok(())
    }

    fn installations(&self) -> Collection<Document> {
        self.database.collection("installation")
    }
}

fn document(id: &str, record: &Record) -> Result<Document> {
    let mut document = serialize_to_document(record).map_err(Error::from)?;
    document.insert("_id", id);
    Ok(document)
}
