//! `/reflash`: lists the person's codes.

use axum::extract::State;
use heyi_common::{order::OpenId, store::CodeCursor};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    http::{
        error::Error,
        params::{Signature, SignedParams},
        success::Success,
    },
    owner::{CodeItem, codes_of},
    state::AppState,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The openid that `/login` answered.
    #[serde(rename = "openId")]
    #[param(inline)]
    openid: OpenId,
    /// What the page before this one had as `next`.
    #[param(inline)]
    before: Option<CodeCursor>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Codes {
    /// At most 50 of the person's codes, newest first.
    #[serde(rename = "userInfo")]
    user_info: Vec<CodeItem>,
    /// `before` of the next page; there is none on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the person's codes, page by page.
#[utoipa::path(
    method(get, post),
    path = "/reflash",
    params(Request, Signature),
    responses((status = 200, body = Success<Codes>))
)]
pub(super) async fn reflash(
    State(state): State<AppState>,
    SignedParams(Request { openid, before }, signed): SignedParams<Request>,
) -> Result<Success<Codes>, Error> {
    signed.by_person(openid.as_str(), &state.config)?;
    let codes = codes_of(&state, openid.as_str(), before).await?;
    Ok(Success::new(Codes {
        user_info: codes.items,
        next: codes.next,
    }))
}
