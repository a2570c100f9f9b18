//! What others change of codes, told by MongoDB.

use std::time::Duration;

use mongodb::{
    bson::{doc, oid::ObjectId},
    change_stream::ChangeStream,
};
use serde::Deserialize;

use super::{Result, Store, StoreError};

/// What can have become of codes that were read before. New ones are of no interest.
const CHANGES: [&str; 7] = [
    "update",
    "replace",
    "delete",
    "drop",
    "rename",
    "dropDatabase",
    "invalidate",
];

/// What MongoDB tells of a change.
#[derive(Debug, Deserialize)]
struct Event {
    /// None when it is about the whole collection.
    #[serde(rename = "documentKey")]
    document: Option<Key>,
}

#[derive(Debug, Deserialize)]
struct Key {
    #[serde(rename = "_id")]
    id: ObjectId,
}

/// Every change of a code that a majority has, from the moment on at which this was opened, over failovers too.
pub struct CodeChanges(ChangeStream<Event>);

impl Store {
    /// Begins to listen. Needs a replica set.
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
    /// The next changed code. None when MongoDB knew of no more when it was asked, or for the longest wait after
    /// that. An error means that some may be missed, so that all codes are to be read again.
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
