//! What people see of their codes.

use std::collections::BTreeMap;

use heyi_common::{
    payload::Platform,
    store::{Change, Code},
};
use jiff::Timestamp;
use mongodb::bson::{DateTime, oid::ObjectId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::Error, params::Signed, state::AppState};

/// A code as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CodeItem {
    /// Its id.
    id: String,
    /// What the owner calls it.
    name: String,
    /// Platform to payload.
    #[schema(value_type = BTreeMap<String, String>)]
    payloads: BTreeMap<Platform, String>,
    /// The address of its page, which the composite code holds.
    url: String,
    /// When it was made (RFC 3339).
    created_at: String,
    /// When its owner last changed it (RFC 3339), if ever.
    #[serde(rename = "updatedAt", skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    /// The changes, newest first: the last 19 and the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    changes: Vec<ChangeItem>,
}

/// A change of a code, with what it held before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeItem {
    /// When it was changed (RFC 3339).
    changed_at: String,
    /// What it was called until then.
    name: String,
    /// Its payloads until then.
    #[schema(value_type = BTreeMap<String, String>)]
    payloads: BTreeMap<Platform, String>,
}

/// A person's codes, newest first.
pub(crate) async fn codes_of(state: &AppState, openid: &str) -> Result<Vec<CodeItem>, Error> {
    let codes = state.store.codes_of(openid).await?;
    Ok(codes.into_iter().map(|code| item(state, code)).collect())
}

/// The code that the signer owns. Whatever is wrong, there is one answer, so that it tells nobody which codes there are.
pub(crate) async fn signers_code(
    state: &AppState,
    signed: &Signed<'_>,
    id: &str,
) -> Result<Code, Error> {
    let id = ObjectId::parse_str(id).map_err(|_| Error::NotYours)?;
    let code = state.store.code(id).await?.ok_or(Error::NotYours)?;
    signed
        .by_person(code.openid.as_str(), &state.config)
        .map_err(|_| Error::NotYours)?;
    Ok(code)
}

fn item(state: &AppState, code: Code) -> CodeItem {
    let id = code.id.to_hex();
    CodeItem {
        url: state.page_url(&id),
        id,
        name: code.name,
        payloads: code.payloads,
        created_at: readable(code.created_at),
        updated_at: code.updated_at.map(readable),
        changes: code.changes.into_iter().rev().map(change).collect(),
    }
}

fn change(change: Change) -> ChangeItem {
    ChangeItem {
        changed_at: readable(change.changed_at),
        name: change.name,
        payloads: change.payloads,
    }
}

fn readable(time: DateTime) -> String {
    Timestamp::from_millisecond(time.timestamp_millis())
        .unwrap_or_default()
        .to_string()
}
