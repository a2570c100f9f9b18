//! `/del`: an owner deletes a code.

use axum::{Json, extract::State};
use heyi_common::{
    crash::{self, Point},
    store::Code,
};
use mongodb::bson::oid::ObjectId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{error::Error, params::Params, state::AppState};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    id: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Deleted {
    errcode: u16,
    errmsg: &'static str,
}

/// Deletes a code of the signer; a repeat is fine.
#[utoipa::path(
    method(get, post),
    path = "/del",
    params(Request, ("sign" = String, Query, description = "Signature with the owner's signKey.")),
    responses((status = 200, body = Deleted))
)]
pub(super) async fn del(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<Deleted>, Error> {
    let code = signers_code(&state, &params).await?;
    state.store.delete(code.id).await?;
    crash::point(Point::Deleted);
    tracing::info!(code.id = %code.id, "code deleted");
    Ok(Json(Deleted {
        errcode: 200,
        errmsg: "ok",
    }))
}

async fn signers_code(state: &AppState, params: &Params) -> Result<Code, Error> {
    let Ok(Request { id }) = params.read() else {
        return Err(Error::NotYours);
    };
    let Ok(id) = ObjectId::parse_str(&id) else {
        return Err(Error::NotYours);
    };
    let code = state.store.code(id).await?.ok_or(Error::NotYours)?;
    params
        .signed_by(code.openid.as_str(), &state.config)
        .map_err(|_| Error::NotYours)?;
    Ok(code)
}
