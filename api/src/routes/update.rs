//! `/update`: an owner changes what the page of a code shows, without printing it again.

use axum::extract::State;
use heyi_common::{
    failpoint::{self, Failpoint},
    order::Content,
    store::Update,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    http::{
        error::Error,
        params::{Signature, SignedParams},
        success::{Done, Success},
    },
    owner::signers_code,
    pictures::qr,
    state::AppState,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    id: String,
    /// A JSON object: `name`, `payloads`; `confirmed` as for `/newOrder`. In a JSON body also the object itself.
    data: String,
}

/// Changes the name and the payloads of a code of the signer; a repeat is fine.
///
/// What it held before is kept, and answered by `/changes`. A change whose `ts` is not later than that of the last
/// one is refused with 409.
#[utoipa::path(
    method(get, post),
    path = "/update",
    params(Request, Signature),
    responses((status = 200, body = Success<Done>))
)]
pub(super) async fn update(
    State(state): State<AppState>,
    SignedParams(Request { id, data }, signed): SignedParams<Request>,
) -> Result<Success<Done>, Error> {
    let code = signers_code(&state, &signed, &id).await?;
    let content = Content::parse(&data, &state.config.orders.payloads)?;
    qr::check(&content.payloads)?;
    match state.store.update(code.id, &content, signed.ts()).await? {
        Update::Done => {}
        Update::Outdated => return Err(Error::Outdated),
        Update::Gone => return Err(Error::OwnGone),
    }
    state.codes.forget(code.id);
    failpoint::reach(Failpoint::Updated);
    tracing::info!(code.id = %code.id, "code changed");
    Ok(Success::done())
}
