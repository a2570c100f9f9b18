//! `/changes`: earlier versions of a code.

use axum::extract::State;
use heyi_common::store::CursorError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    http::{
        error::Error,
        params::{Signature, SignedParams},
        success::Success,
    },
    owner::{ChangeItem, signers_code},
    state::AppState,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    id: String,
    /// What the page before this one had as `next`.
    before: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ChangePage {
    /// At most 10 changes, newest first. Of all changes, the last 19 and the first are kept.
    changes: Vec<ChangeItem>,
    /// `before` of the next page; there is none on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the changes of a code of the signer.
#[utoipa::path(
    method(get, post),
    path = "/changes",
    params(Request, Signature),
    responses((status = 200, body = Success<ChangePage>))
)]
pub(super) async fn changes(
    State(state): State<AppState>,
    SignedParams(Request { id, before }, signed): SignedParams<Request>,
) -> Result<Success<ChangePage>, Error> {
    let before = before.as_deref().map(number).transpose()?;
    let code = signers_code(&state, &signed, &id).await?;
    if code.state.deleted_at.is_some() {
        return Err(Error::OwnGone);
    }
    let page = state.store.changes(code.id, before).await?;
    Ok(Success::new(ChangePage {
        changes: page.items.into_iter().map(ChangeItem::from).collect(),
        next: page.next.map(|number| number.to_string()),
    }))
}

fn number(text: &str) -> Result<i64, Error> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| Error::Invalid(CursorError.to_string()))
}
