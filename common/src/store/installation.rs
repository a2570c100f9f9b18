//! The record of the installation in MongoDB.

use mongodb::{
    Collection,
    bson::{Document, deserialize_from_document, doc, serialize_to_document},
    error::Error,
    options::ReadConcern,
};

use super::{Result, Store, is_duplicate, read};
use crate::installation::Record;

/// The id of the one document.
const ID: &str = "installation";

impl Store {
    /// The record that a majority has.
    pub async fn installation(&self) -> Result<Option<Record>> {
        let collection = self.installations();
        let found = collection
            .find_one(doc! { "_id": ID })
            .read_concern(ReadConcern::majority());
        let found = read(found).await?;
        let record = found.map(deserialize_from_document).transpose();
        Ok(record.map_err(Error::from)?)
    }

    /// Writes the record unless there is one.
    pub async fn create_installation(&self, record: &Record) -> Result<()> {
        match self.installations().insert_one(document(record)?).await {
            Err(error) if !is_duplicate(&error) => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Writes the record whether there is one or not.
    pub async fn replace_installation(&self, record: &Record) -> Result<()> {
        self.installations()
            .replace_one(doc! { "_id": ID }, document(record)?)
            .upsert(true)
            .await?;
        Ok(())
    }

    fn installations(&self) -> Collection<Document> {
        self.database.collection("installation")
    }
}

fn document(record: &Record) -> Result<Document> {
    let mut document = serialize_to_document(record).map_err(Error::from)?;
    document.insert("_id", ID);
    Ok(document)
}
