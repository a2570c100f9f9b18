//! An owner's lists of codes and changes, page by page.

use std::fmt;

use futures::TryStreamExt;
use mongodb::bson::{DateTime, Document, RawDocument, RawDocumentBuf, doc, oid::ObjectId};
use serde::Deserialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    Change, ListedCode, Result, Store,
    decode::{decode, decode_all},
    part::{Listing, projection},
    read,
};
/// Maximum number of codes on a page.
pub const CODES_OF_A_PAGE: usize = 50;
/// Maximum number of changes on a page.
pub const CHANGES_OF_A_PAGE: usize = 10;

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T, C> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; none on the last one.
    pub next: Option<C>,
}

/// A position in a list of codes, after one of them, written as `<ms>-<id>`. The code need not exist any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CodeCursor {
    created_at: DateTime,
    id: ObjectId,
}

/// The text is not a [`CodeCursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("before must be what an earlier answer had as next")]
pub struct CursorError;

impl CodeCursor {
    /// The position after a code. None after a document that no code can be, where a list ends.
    fn after(code: &RawDocument) -> Option<Self> {
        Some(Self {
            created_at: code.get_datetime("created_at").ok()?,
            id: code.get_object_id("_id").ok()?,
        })
    }

    /// The codes after it, newest first.
    fn filter(self) -> Document {
        let Self { created_at, id } = self;
        doc! {
            "created_at": { "$lte": created_at },
            "$or": [{ "created_at": { "$lt": created_at } }, { "_id": { "$lt": id } }],
        }
    }
}

impl fmt::Display for CodeCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.created_at.timestamp_millis();
        write!(f, "{ms}-{}", self.id.to_hex())
    }
}

impl PartialSchema for CodeCursor {
    fn schema() -> RefOr<Schema> {
        String::schema()
    }
}

impl ToSchema for CodeCursor {}

impl TryFrom<String> for CodeCursor {
    type Error = CursorError;

    fn try_from(text: String) -> std::result::Result<Self, CursorError> {
        let (ms, id) = text.split_once('-').ok_or(CursorError)?;
        if !ms.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CursorError);
        }
        let ms = ms.parse().map_err(|_| CursorError)?;
        Ok(Self {
            created_at: DateTime::from_millis(ms),
            id: ObjectId::parse_str(id).map_err(|_| CursorError)?,
        })
    }
}

/// The number of a change. The next page has older ones.
pub type ChangeNumber = i64;

#[derive(Deserialize)]
struct Changed {
    changes: Vec<Change>,
}

impl Store {
    /// A page of one person's codes, without deleted ones. Skips a code that cannot be read.
    pub async fn codes_of(
        &self,
        openid: &str,
        before: Option<CodeCursor>,
    ) -> Result<Page<ListedCode, CodeCursor>> {
        let mut filter = doc! { "openid": openid, "deleted_at": null };
        filter.extend(before.map(CodeCursor::filter).unwrap_or_default());
        let list = async {
            let codes = self.codes.clone_with_type::<RawDocumentBuf>();
            let cursor = codes
                .find(filter)
                .projection(projection::<Listing>())
                .sort(doc! { "created_at": -1, "_id": -1 })
                .limit(limit(CODES_OF_A_PAGE))
                .await?;
            cursor.try_collect().await
        };
        let codes: Vec<RawDocumentBuf> = read(list).await?;
        let Page { items, next } = page(codes, CODES_OF_A_PAGE, |code| CodeCursor::after(code));
        Ok(Page {
            items: decode_all(self.codes.name(), &items),
            next: next.flatten(),
        })
    }

    /// A page of the changes of a code.
    pub async fn changes(
        &self,
        id: ObjectId,
        before: Option<ChangeNumber>,
    ) -> Result<Page<Change, ChangeNumber>> {
        let all = doc! { "$ifNull": ["$changes", []] };
        let before = before.unwrap_or(ChangeNumber::MAX);
        let earlier =
            doc! { "$filter": { "input": all, "cond": { "$lt": ["$$this.number", before] } } };
        let newest = doc! { "$slice": [earlier, -limit(CHANGES_OF_A_PAGE)] };
        let pipeline = [
            doc! { "$match": { "_id": id } },
            doc! { "$project": { "changes": newest } },
        ];
        let found = async {
            let codes = self.codes.aggregate(pipeline);
            codes.with_type::<RawDocumentBuf>().await?.try_next().await
        };
        let found: Option<RawDocumentBuf> = read(found).await?;
        let mut changes = match found {
            Some(code) => decode::<Changed>(self.codes.name(), &code)?.changes,
            None => Vec::new(),
        };
        changes.reverse();
        Ok(page(changes, CHANGES_OF_A_PAGE, |change| change.number))
    }
}

/// One more than a page has, to detect whether there is another page.
fn limit(most: usize) -> i64 {
    i64::try_from(most + 1).unwrap_or(i64::MAX)
}

fn page<T, C>(mut items: Vec<T>, most: usize, cursor: impl Fn(&T) -> C) -> Page<T, C> {
    let goes_on = items.len() > most;
    items.truncate(most);
    let next = items.last().filter(|_| goes_on).map(cursor);
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let text = "1767225600123-00112233445566778899aabb";
        let read = |text: &str| CodeCursor::try_from(text.to_owned());
        assert_eq!(read(text).unwrap().to_string(), text);
        for wrong in [
            "",
            "-",
            "1767225600123",
            "1767225600123-",
            "-00112233445566778899aabb",
            "-1-00112233445566778899aabb",
            "+1-00112233445566778899aabb",
            "1767225600123-0011",
            "99999999999999999999-00112233445566778899aabb",
        ] {
            assert_eq!(read(wrong), Err(CursorError), "{wrong}");
        }
    }

    #[test]
    fn a_page_tells_where_the_next_one_begins() {
        let of = |count: i64| page((0..count).collect(), 3, |item| *item);
        assert_eq!(of(0).next, None);
        assert_eq!(of(3).next, None);
        assert_eq!((of(4).items, of(4).next), (vec![0, 1, 2], Some(2)));
    }
}
