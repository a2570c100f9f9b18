//! An owner's view of a code.

use heyi_common::{
    order::Content,
    store::{Change, Code, CodeCursor, ListedCode, Listing},
};
use jiff::Timestamp;
use mongodb::bson::{DateTime, oid::ObjectId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{error::Error, params::Signed},
    state::AppState,
};

/// A code as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CodeItem {
    /// Its id.
    id: String,
    #[serde(flatten)]
    content: Content,
    /// The address of its page, which the composite code holds.
    url: String,
    /// When it was made (RFC 3339).
    created_at: String,
    /// When its owner last changed it (RFC 3339), if ever.
    #[serde(rename = "updatedAt", skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

/// A page of a person's codes.
pub(crate) struct Codes {
    /// At most 50 codes, newest first.
    pub(crate) items: Vec<CodeItem>,
    /// `before` of the next page; `None` on the last page.
    pub(crate) next: Option<String>,
}

/// A change of a code, with what it held before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeItem {
    /// When it was changed (RFC 3339).
    changed_at: String,
    /// What its page showed until then.
    #[serde(flatten)]
    content: Content,
}

impl From<Change> for ChangeItem {
    fn from(change: Change) -> Self {
        Self {
            changed_at: readable(change.changed_at),
            content: change.content,
        }
    }
}

/// A page of a person's codes.
pub(crate) async fn codes_of(
    state: &AppState,
    openid: &str,
    before: Option<CodeCursor>,
) -> Result<Codes, Error> {
    let page = state.store.codes_of(openid, before).await?;
    let items = page.items.into_iter();
    Ok(Codes {
        items: items.map(|code| item(state, code)).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    })
}

/// The code that the signer owns. All failures give the same answer, so that it does not reveal which codes exist.
pub(crate) async fn signers_code(
    state: &AppState,
    signed: &Signed,
    id: &str,
) -> Result<Code, Error> {
    let id = ObjectId::parse_str(id).map_err(|_| Error::NotYours)?;
    let code = state.store.code(id).await?.ok_or(Error::NotYours)?;
    signed
        .by_person(code.openid.as_str(), &state.config)
        .map_err(|_| Error::NotYours)?;
    Ok(code)
}

fn item(state: &AppState, code: ListedCode) -> CodeItem {
    let Listing {
        id,
        created_at,
        updated_at,
    } = code.rest;
    let id = id.to_hex();
    CodeItem {
        url: state.page_url(&id),
        id,
        content: code.content,
        created_at: readable(created_at),
        updated_at: updated_at.map(readable),
    }
}

fn readable(time: DateTime) -> String {
    Timestamp::from_millisecond(time.timestamp_millis())
        .unwrap_or_default()
        .to_string()
}
