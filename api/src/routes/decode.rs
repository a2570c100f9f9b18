//! `/decode`: the receive code in a picture.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{client_ip::Client, error::Error, openapi},
    pictures::{decode, upload},
    state::AppState,
};

#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document: `upload` reads it")]
pub(super) struct Upload {
    /// A picture of one receive code: PNG, JPEG, WebP, GIF or BMP, at most 5 MB and 25 megapixels.
    #[schema(value_type = String, format = Binary)]
    picture: Vec<u8>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Decoded {
    /// The text inside the receive code, as `/newOrder` takes it.
    payload: String,
    /// Whose it is.
    #[schema(schema_with = openapi::platforms)]
    platform: &'static str,
    errcode: u16,
}

/// Reads the receive code in a picture. A failure says why in `reason`. Nothing is kept.
#[utoipa::path(
    post,
    path = "/decode",
    request_body(content = Upload, content_type = "multipart/form-data"),
    responses((status = 200, body = Decoded))
)]
pub(super) async fn decode(
    State(state): State<AppState>,
    Client(client): Client,
    request: axum::extract::Request,
) -> Result<Json<Decoded>, Error> {
    let mut permit = match state.desk.upload(client).await {
        Ok(permit) => permit,
        Err(error) => {
            upload::hear_out(request).await;
            return Err(error);
        }
    };
    let picture = upload::picture(request, &mut permit).await?;
    let forms = state.clone();
    let read = move || decode::read(&picture, &forms.config.orders.payloads);
    let received = state.desk.read(permit, read).await??;
    Ok(Json(Decoded {
        payload: received.payload,
        platform: received.platform.name(),
        errcode: 200,
    }))
}
