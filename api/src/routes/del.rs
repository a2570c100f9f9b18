//! `/del`: an owner deletes a code.

use axum::{Json, extract::State};
use heyi_common::crash::{self, Point};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{error::Error, params::Params, state::AppState, user::signers_code};

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
    let Ok(Request { id }) = params.read() else {
        return Err(Error::NotYours);
    };
    let code = signers_code(&state, &params, &id).await?;
    state.store.delete(code.id).await?;
    state.codes.forget(code.id);
    crash::point(Point::Deleted);
    tracing::info!(code.id = %code.id, "code deleted");
    Ok(Json(Deleted {
        errcode: 200,
        errmsg: "ok",
    }))
}
