//! The audit log: what operators did, and when.
//!
//! A record is written before the change and completed after it, so a change is on record even if its command died.

use mongodb::{
    Collection,
    bson::{DateTime, Document, doc, oid::ObjectId},
};
use serde::{Deserialize, Serialize};

use super::{Result, Store};

/// A change that an operator makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: ObjectId,
    /// When it was started.
    pub at: DateTime,
    /// Who made it, as `user@host`.
    pub who: String,
    /// The command, e.g. `dead drop`.
    pub action: String,
    /// The changed object, e.g. the id of a dead letter.
    pub target: String,
    /// The former value, as Redis stored it.
    pub before: Document,
    /// `begun` until the change is made, then `done`.
    pub outcome: String,
}

const BEGUN: &str = "begun";
const DONE: &str = "done";

impl AuditRecord {
    /// A change that starts now.
    pub fn new(who: String, action: &str, target: &str, before: Document) -> Self {
        Self {
            id: ObjectId::new(),
            at: DateTime::now(),
            who,
            action: action.to_owned(),
            target: target.to_owned(),
            before,
            outcome: BEGUN.to_owned(),
        }
    }
}

impl Store {
    /// Records a change before it is made.
    pub async fn begin_audit(&self, record: &AuditRecord) -> Result<()> {
        self.audit().insert_one(record).await?;
        Ok(())
    }

    /// Records that the change was made.
    pub async fn end_audit(&self, record: &AuditRecord) -> Result<()> {
        let outcome = doc! { "$set": { "outcome": DONE } };
        self.audit()
            .update_one(doc! { "_id": record.id }, outcome)
            .await?;
        Ok(())
    }

    fn audit(&self) -> Collection<AuditRecord> {
        self.database.collection("audit")
    }
}
