//! An owner changes a code.

use mongodb::bson::{
    Bson, DateTime, Document, RawDocumentBuf, doc, oid::ObjectId, serialize_to_bson,
};
use serde::Deserialize;

use super::{Result, Store, StoreError, decode::decode, read};
use crate::{order::Content, payload::Payloads};

/// How many changes of a code are kept: the first, which has what was paid for, and the newest of the rest. So a thief who
/// takes over an account cannot push out what was there before.
pub const CHANGES_KEPT: usize = 20;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// The code has this content.
    Done,
    /// The code was changed by a request that was signed at the same time or later.
    Outdated,
    /// The code is deleted or disabled.
    Gone,
}

/// The fields of a code on which a change depends.
#[derive(Debug, Deserialize)]
struct Present {
    name: String,
    payloads: Payloads,
    #[serde(default)]
    deleted_at: Option<DateTime>,
    #[serde(default)]
    disabled_at: Option<DateTime>,
    #[serde(default)]
    owner_disabled_at: Option<DateTime>,
    #[serde(default)]
    update_ts: Option<i64>,
}

impl Present {
    fn is_shown(&self) -> bool {
        let down = [self.deleted_at, self.disabled_at, self.owner_disabled_at];
        down.iter().all(Option::is_none)
    }
}

impl Store {
    /// Changes what a code's page shows and keeps what it showed before, in one atomic step, unless the last change was
    /// signed at `ts` or later. A repeat changes nothing, and neither does the same content signed later, but the
    /// time. Without `ts`, for clients of the old service, the time of the last change does not count.
    pub async fn update(&self, id: ObjectId, content: &Content, ts: Option<i64>) -> Result<Update> {
        let mut earlier =
            doc! { "_id": id, "deleted_at": null, "disabled_at": null, "owner_disabled_at": null };
        if let Some(ts) = ts {
            earlier.insert("update_ts", doc! { "$not": { "$gte": ts } });
        }
        let change = doc! { "$set": new_fields(content, ts)? };
        let updated = self.codes.update_one(earlier, vec![change]).await?;
        if updated.matched_count > 0 {
            return Ok(Update::Done);
        }
        let fields = doc! {
            "name": 1, "payloads": 1, "deleted_at": 1, "disabled_at": 1, "owner_disabled_at": 1,
            "update_ts": 1,
        };
        let codes = self.codes.clone_with_type::<RawDocumentBuf>();
        let present = codes.find_one(doc! { "_id": id }).projection(fields);
        let present = read(present).await?;
        let present = present.map(|code| decode(self.codes.name(), &code));
        Ok(why_not(present.transpose()?, content, ts))
    }
}

fn why_not(present: Option<Present>, content: &Content, ts: Option<i64>) -> Update {
    match present {
        Some(code) if code.is_shown() => {
            let is_same = code.name == content.name && code.payloads == content.payloads;
            if is_same && code.update_ts == ts {
                Update::Done
            } else {
                Update::Outdated
            }
        }
        _ => Update::Gone,
    }
}

/// The fields of the changed code, as MongoDB computes them of the present ones.
fn new_fields(content: &Content, ts: Option<i64>) -> Result<Document> {
    let payloads =
        serialize_to_bson(&content.payloads).map_err(|error| StoreError::Mongo(error.into()))?;
    // Literals: a name may look like an expression.
    let name = doc! { "$literal": &content.name };
    let payloads = doc! { "$literal": payloads };
    let is_same = doc! { "$and": [
        { "$eq": ["$name", &name] },
        { "$eq": ["$payloads", &payloads] },
    ] };
    let unless_same = |field: &str, value: Bson| doc! { "$cond": [&is_same, field, value] };
    let same_payloads = doc! { "$eq": ["$payloads", &payloads] };
    let mut fields = doc! {
        "payloads_changed_at": { "$cond": [same_payloads, "$payloads_changed_at", "$$NOW"] },
        "changes": unless_same("$changes", changes_with_the_present().into()),
        "updated_at": unless_same("$updated_at", "$$NOW".into()),
        "name": name,
        "payloads": payloads,
    };
    if let Some(ts) = ts {
        fields.insert("update_ts", ts);
    }
    Ok(fields)
}

/// The changes of a document with what it holds now, as MongoDB computes them.
fn changes_with_the_present() -> Document {
    let earlier = doc! { "$ifNull": ["$changes", []] };
    let count = doc! { "$ifNull": [{ "$last": "$changes.number" }, 0] };
    let present = doc! {
        "number": { "$add": [count, 1] },
        "changed_at": "$$NOW",
        "name": "$name",
        "payloads": "$payloads",
    };
    let all = doc! { "$concatArrays": [&earlier, [present]] };
    let kept = i64::try_from(CHANGES_KEPT).unwrap_or(i64::MAX);
    let first_and_newest = doc! { "$concatArrays": [
        { "$slice": [&earlier, 1] },
        { "$slice": [&all, 1 - kept] },
    ] };
    doc! { "$cond": [{ "$lt": [{ "$size": &earlier }, kept] }, all, first_and_newest] }
}
