//! The records of installations in MongoDB.

use futures::TryStreamExt;
use mongodb::{
    Collection,
    bson::{Document, RawDocumentBuf, doc, serialize_to_document},
    error::Error,
    options::ReadConcern,
};

use super::{Result, Store, decode::decode, is_duplicate, read};
use crate::installation::Record;

/// The id of the first record, so that of processes that start at the same moment one makes it.
const FIRST: &str = "installation";

impl Store {
    /// The records that a majority has. More than one only where an operator runs several queues on one database.
    pub async fn installation(&self) -> Result<Vec<Record>> {
        let collection = self.installations().clone_with_type::<RawDocumentBuf>();
        let found = collection
            .find(doc! {})
            .read_concern(ReadConcern::majority());
        let found: Vec<RawDocumentBuf> = read(async { found.await?.try_collect().await }).await?;
        let records = found.iter();
        records
            .map(|record| decode(collection.name(), record))
            .collect()
    }

    /// Writes the first record unless there is one.
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

    /// Writes a record beside those that are there.
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
