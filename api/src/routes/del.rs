//! `/del`: an owner deletes a code.

use axum::extract::State;
use heyi_common::failpoint::{self, Failpoint};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    http::{
        error::Error,
        params::{Signature, SignedParams},
        success::{Done, Success},
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

/// Deletes a code of the signer; a repeat is fine.
#[utoipa::path(
    method(get, post),
    path = "/del",
    params(Request, Signature),
    responses((status = 200, body = Success<Done>))
)]
pub(super) async fn del(
    State(state): State<AppState>,
    SignedParams(Request { id }, signed): SignedParams<Request>,
) -> Result<Success<Done>, Error> {
    let code = signers_code(&state, &signed, &id).await?;
    state.store.delete(code.id).await?;
    state.codes.forget(code.id);
    failpoint::reach(Failpoint::Deleted);
    tracing::info!(code.id = %code.id, "code deleted");
    Ok(Success::done())
}
