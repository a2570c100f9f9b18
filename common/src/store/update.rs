//! Changes of a code by its owner.

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, oid::ObjectId, serialize_to_document};

use super::{
    CodeState, Result, Scanned, Store, StoreError, decode::decode, part::projection, read,
};
use crate::order::Content;

/// Number of changes of a code that are kept: the first, which has the content that was paid for, and the newest. So a
/// thief who takes over an account cannot push out the original content.
pub const CHANGES_KEPT: usize = 20;

/// The outcome of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// The code now has this content.
    Done,
    /// A request that was signed at the same time or later has changed the code.
    Outdated,
    /// The code is deleted or disabled.
    Gone,
}

impl Store {
    /// Changes the content of a code and keeps the former content, in one atomic step. Does nothing if the last change was
    /// signed at `ts` or later. Repeating it changes nothing. The same content signed later changes only the time. Without
    /// `ts`, for clients of the old service, the time of the last change is ignored.
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
        let codes = self.codes.clone_with_type::<RawDocumentBuf>();
        let present = codes
            .find_one(doc! { "_id": id })
            .projection(projection::<CodeState>());
        let present = read(present).await?;
        let present = present.map(|code| decode(self.codes.name(), &code));
        Ok(why_not(present.transpose()?, content, ts))
    }
}

fn why_not(present: Option<Scanned>, content: &Content, ts: Option<i64>) -> Update {
    match present {
        Some(code) if code.rest.is_shown() => {
            if code.content == *content && code.rest.update_ts == ts {
                Update::Done
            } else {
                Update::Outdated
            }
        }
        _ => Update::Gone,
    }
}

/// The fields of the changed code, as expressions over the present ones.
fn new_fields(content: &Content, ts: Option<i64>) -> Result<Document> {
    let content =
        serialize_to_document(content).map_err(|error| StoreError::Mongo(error.into()))?;
    // Literals, since a name may look like an expression.
    let literal = |value: Bson| doc! { "$literal": value };
    let content: Document = content
        .into_iter()
        .map(|(field, value)| (field, literal(value).into()))
        .collect();
    let is_same = |field: &str| doc! { "$eq": [format!("${field}"), content.get(field)] };
    let all_same = doc! { "$and": content.keys().map(|field| is_same(field)).collect::<Vec<_>>() };
    let unless = |is_same: &Document, field: &str, value: Bson| doc! { "$cond": [is_same, format!("${field}"), value] };
    let changes = changes_with_the_present(content.keys());
    let mut fields = doc! {
        "payloads_changed_at": unless(&is_same("payloads"), "payloads_changed_at", "$$NOW".into()),
        "changes": unless(&all_same, "changes", changes.into()),
        "updated_at": unless(&all_same, "updated_at", "$$NOW".into()),
    };
    fields.extend(content);
    if let Some(ts) = ts {
        fields.insert("update_ts", ts);
    }
    Ok(fields)
}

/// The changes of a document plus its present content, as an expression.
fn changes_with_the_present<'a>(content: impl Iterator<Item = &'a String>) -> Document {
    let earlier = doc! { "$ifNull": ["$changes", []] };
    let count = doc! { "$ifNull": [{ "$last": "$changes.number" }, 0] };
    let mut present = doc! { "number": { "$add": [count, 1] }, "changed_at": "$$NOW" };
    present.extend(content.map(|field| (field.clone(), format!("${field}").into())));
    let all = doc! { "$concatArrays": [&earlier, [present]] };
    let kept = i64::try_from(CHANGES_KEPT).unwrap_or(i64::MAX);
    let first_and_newest = doc! { "$concatArrays": [
        { "$slice": [&earlier, 1] },
        { "$slice": [&all, 1 - kept] },
    ] };
    doc! { "$cond": [{ "$lt": [{ "$size": &earlier }, kept] }, all, first_and_newest] }
}
