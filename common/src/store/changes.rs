//! Changes of codes, from MongoDB's change stream.

use std::time::Duration;

use mongodb::{
    bson::{doc, oid::ObjectId},
    change_stream::ChangeStream,
};
use serde::Deserialize;

use super::{Result, Store, StoreError};

/// Operations that affect codes that were read before. Inserts do not.
const CHANGES: [&str; 7] = [
    "update",
    "replace",
    "delete",
    "drop",
    "rename",
    "dropDatabase",
    "invalidate",
];

/// An event of the change stream.
#[derive(Debug, Deserialize)]
struct Event {
    /// None if it is about the whole collection.
    #[serde(rename = "documentKey")]
    document: Option<Key>,
}

#[derive(Debug, Deserialize)]
struct Key {
    #[serde(rename = "_id")]
    id: ObjectId,
}

/// The changes of codes that a majority has, from the opening of the stream on, across failovers.
pub struct CodeChanges(ChangeStream<Event>);

impl Store {
    /// Opens the stream. Needs a replica set.
    pub async fn code_changes(&self, longest_wait: Duration) -> Result<CodeChanges> {
        let watched = [
            doc! { "$match": { "operationType": { "$in": CHANGES } } },
            doc! { "$project": { "operationType": 1, "ns": 1, "documentKey": 1 } },
        ];
        let stream = self
            .codes
            .watch()
            .pipeline(watched)
            .max_await_time(longest_wait)
            .await?;
        Ok(CodeChanges(stream.with_type()))
    }
}

impl CodeChanges {
    /// The next changed code. None if MongoDB knew of no more, or had none for the longest wait. After an error some
    /// changes may be missed, so all codes must be read again.
    pub async fn next(&mut self) -> Result<Option<ObjectId>> {
        let Some(event) = self.0.next_if_any().await? else {
            return if self.0.is_alive() {
                Ok(None)
            } else {
                Err(StoreError::AllCodesChanged)
            };
        };
        let key = event.document.ok_or(StoreError::AllCodesChanged)?;
        Ok(Some(key.id))
    }
}
