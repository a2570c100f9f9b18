//! `/del`: an owner deletes a code.

use axum::{Json, extract::State};
use heyi_common::failpoint::{self, Failpoint};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    http::{
        error::Error,
        params::{Params, Signature},
    },
    owner::signers_code,
    state::AppState,
};

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
    params(Request, Signature),
    responses((status = 200, body = Deleted))
)]
pub(super) async fn del(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<Deleted>, Error> {
    let (Request { id }, signed) = params.read_signed(&state.config.sign)?;
    let code = signers_code(&state, &signed, &id).await?;
    state.store.delete(code.id).await?;
    state.codes.forget(code.id);
    failpoint::reach(Failpoint::Deleted);
    tracing::info!(code.id = %code.id, "code deleted");
    Ok(Json(Deleted {
        errcode: 200,
        errmsg: "ok",
    }))
}
