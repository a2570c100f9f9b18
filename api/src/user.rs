//! What people see of their codes.

use std::collections::BTreeMap;

use heyi_common::{payload::Platform, store::Code};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::Error, state::AppState};

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
}

/// A person's codes, newest first.
pub(crate) async fn codes_of(state: &AppState, openid: &str) -> Result<Vec<CodeItem>, Error> {
    let codes = state.store.codes_of(openid).await?;
    Ok(codes.into_iter().map(|code| item(state, code)).collect())
}

fn item(state: &AppState, code: Code) -> CodeItem {
    let id = code.id.to_hex();
    let created_at = Timestamp::from_millisecond(code.created_at.timestamp_millis());
    CodeItem {
        url: state.page_url(&id),
        id,
        name: code.name,
        payloads: code.payloads,
        created_at: created_at.unwrap_or_default().to_string(),
    }
}
