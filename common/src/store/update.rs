//! An owner changes a code.

use mongodb::bson::{Document, doc, oid::ObjectId, serialize_to_bson};

use super::{Result, Store, StoreError};
use crate::order::Content;

/// How many changes of a code are kept: the first, which has what was paid for, and the newest of the rest. So whoever
/// takes over an account cannot push out what was there before.
pub const CHANGES_KEPT: usize = 20;

impl Store {
    /// Changes what a code's page shows and keeps what it showed before, in one atomic step. A repeat changes nothing.
    /// False when the code is deleted or disabled.
    pub async fn update(&self, id: ObjectId, content: &Content) -> Result<bool> {
        let shown = doc! { "_id": id, "deleted_at": null, "disabled_at": null };
        let payloads = serialize_to_bson(&content.payloads)
            .map_err(|error| StoreError::Mongo(error.into()))?;
        let same = doc! { "name": &content.name, "payloads": &payloads };
        let mut other = shown.clone();
        other.insert("$nor", [same]);
        // Literals: a name may look like an expression.
        let change = doc! { "$set": {
            "changes": changes_with_the_present(),
            "name": { "$literal": &content.name },
            "payloads": { "$literal": payloads },
            "updated_at": "$$NOW",
        } };
        let updated = self.codes.update_one(other, vec![change]).await?;
        // Nothing to change, or nothing that may be changed?
        Ok(updated.matched_count > 0 || self.codes.count_documents(shown).await? > 0)
    }
}

/// The changes of a document with what it holds now, as MongoDB computes them.
fn changes_with_the_present() -> Document {
    let present = doc! { "changed_at": "$$NOW", "name": "$name", "payloads": "$payloads" };
    let earlier = doc! { "$ifNull": ["$changes", []] };
    let all = doc! { "$concatArrays": [&earlier, [present]] };
    let kept = i64::try_from(CHANGES_KEPT).unwrap_or(i64::MAX);
    let first_and_newest = doc! { "$concatArrays": [
        { "$slice": [&earlier, 1] },
        { "$slice": [&all, 1 - kept] },
    ] };
    doc! { "$cond": [{ "$lt": [{ "$size": &earlier }, kept] }, all, first_and_newest] }
}
