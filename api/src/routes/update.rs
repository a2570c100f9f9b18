//! `/update`: an owner changes what the page of a code shows, without printing it again.

use axum::{Json, extract::State};
use heyi_common::{
    crash::{self, Point},
    order::Content,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{error::Error, params::Params, picture, state::AppState, user::signers_code};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    id: String,
    /// A JSON object: `name`, `payloads`. In a JSON body also the object itself.
    data: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Updated {
    errcode: u16,
    errmsg: &'static str,
}

/// Changes the name and the payloads of a code of the signer; a repeat is fine.
///
/// What it held before is kept, and shown on the owner's list.
#[utoipa::path(
    method(get, post),
    path = "/update",
    params(Request, ("sign" = String, Query, description = "Signature with the owner's signKey.")),
    responses((status = 200, body = Updated))
)]
pub(super) async fn update(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<Updated>, Error> {
    let Request { id, data } = params.read()?;
    let code = signers_code(&state, &params, &id).await?;
    let content = Content::parse(&data, &state.config.orders.payloads)
        .map_err(|error| Error::Invalid(error.to_string()))?;
    picture::check(&content.payloads)?;
    if !state.store.update(code.id, &content).await? {
        return Err(Error::Gone);
    }
    state.codes.forget(code.id);
    crash::point(Point::Updated);
    tracing::info!(code.id = %code.id, "code changed");
    Ok(Json(Updated {
        errcode: 200,
        errmsg: "ok",
    }))
}
