//! `/reflash`: the person's codes again.

use axum::{Json, extract::State};
use heyi_common::{
    order::OpenId,
    store::{CodeCursor, CursorError},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    http::{
        error::Error,
        params::{Params, Signature},
    },
    owner::{CodeItem, codes_of},
    state::AppState,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The openid that `/login` answered.
    #[serde(rename = "openId")]
    #[param(value_type = String)]
    openid: OpenId,
    /// What the page before this one had as `next`.
    before: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Codes {
    /// At most 50 of the person's codes, newest first.
    #[serde(rename = "userInfo")]
    user_info: Vec<CodeItem>,
    /// `before` of the next page; there is none on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    errcode: u16,
}

/// Lists the person's codes, page by page.
#[utoipa::path(
    method(get, post),
    path = "/reflash",
    params(Request, Signature),
    responses((status = 200, body = Codes))
)]
pub(super) async fn reflash(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<Codes>, Error> {
    let (Request { openid, before }, signed) = params.read_signed(&state.config.sign)?;
    signed.by_person(openid.as_str(), &state.config)?;
    let before: Option<CodeCursor> = before
        .map(|text| text.parse())
        .transpose()
        .map_err(|error: CursorError| Error::Invalid(error.to_string()))?;
    let codes = codes_of(&state, openid.as_str(), before).await?;
    Ok(Json(Codes {
        user_info: codes.items,
        next: codes.next,
        errcode: 200,
    }))
}
