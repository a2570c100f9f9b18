//! `/reflash`: the person's codes again.

use axum::{Json, extract::State};
use heyi_common::order::OpenId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    params::{Params, Signature},
    state::AppState,
    user::{CodeItem, codes_of},
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The openid that `/login` answered.
    #[serde(rename = "openId")]
    #[param(value_type = String)]
    openid: OpenId,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Codes {
    /// The person's codes, newest first.
    #[serde(rename = "userInfo")]
    user_info: Vec<CodeItem>,
    errcode: u16,
}

/// Lists the person's codes.
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
    let (Request { openid }, signed) = params.read_signed(&state.config.sign)?;
    signed.by_person(openid.as_str(), &state.config)?;
    Ok(Json(Codes {
        user_info: codes_of(&state, openid.as_str()).await?,
        errcode: 200,
    }))
}
