//! `/decode`: the receive code in a picture.

use axum::extract::State;
use heyi_common::platform::Platform;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{client_ip::Client, error::Error, success::Success},
    pictures::{
        decode,
        upload::{self, Upload},
    },
    state::AppState,
};

#[derive(Serialize, ToSchema)]
pub(super) struct Decoded {
    /// The text inside the receive code, as `/newOrder` takes it.
    payload: String,
    /// Whose it is.
    platform: Platform,
}

/// Reads the receive code in a picture. A failure says why in `reason`. Nothing is kept.
#[utoipa::path(
    post,
    path = "/decode",
    request_body(content = Upload, content_type = "multipart/form-data"),
    responses((status = 200, body = Success<Decoded>))
)]
pub(super) async fn decode(
    State(state): State<AppState>,
    Client(client): Client,
    request: axum::extract::Request,
) -> Result<Success<Decoded>, Error> {
    let mut permit = match state.upload_slots.upload(client).await {
        Ok(permit) => permit,
        Err(error) => {
            upload::hear_out(request).await;
            return Err(error);
        }
    };
    let Upload { picture } = upload::read(request, &mut permit).await?;
    let forms = state.clone();
    let read = move || decode::read(&picture.0, &forms.config.orders.payloads);
    let received = state.upload_slots.read(permit, read).await??;
    Ok(Success::new(Decoded {
        payload: received.payload,
        platform: received.platform,
    }))
}
