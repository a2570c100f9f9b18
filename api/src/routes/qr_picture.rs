//! `/qr/<id>.svg` and `/qr/<id>.png`: the composite code, or one of its receive codes, as a picture.

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use heyi_common::{order::Content, platform::Platform};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    http::{
        error::Error,
        params::{PageParams, Within},
    },
    pictures::qr::{Picture, PngError},
    state::AppState,
};

/// Short, because a code may be deleted.
pub(super) const CACHE: &str = "public, max-age=300";

type Size = Within<u32, 64, 2048, 512>;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// Of a PNG only: its side in pixels, from 64 to 2048.
    #[serde(default)]
    #[param(inline)]
    size: Size,
    /// The app whose receive code is drawn instead of the composite code.
    #[param(inline)]
    r#as: Option<Platform>,
}

/// Draws the composite code, or a receive code: `<id>.svg` or `<id>.png`.
#[utoipa::path(
    get,
    path = "/qr/{file}",
    params(("file", description = "`<id>.svg` or `<id>.png`"), Request),
    responses(
        (status = 200, description = "The picture", content(
            (String = "image/svg+xml"),
            (Vec<u8> = "image/png"),
        ))
    )
)]
pub(super) async fn qr_picture(
    State(state): State<AppState>,
    Path(file): Path<String>,
    PageParams(request): PageParams<Request>,
) -> Result<Response, Error> {
    let (id, kind) = file.rsplit_once('.').ok_or(Error::NotFound)?;
    if !matches!(kind, "svg" | "png") {
        return Err(Error::NotFound);
    }
    let (id, code) = state.codes.shown(&state.store, id).await?;
    let text = match request.r#as {
        None => state.page_url(&id.to_hex()),
        Some(platform) => receive_code(code.content(), platform)?,
    };
    let picture = Picture::new(&text).map_err(|error| Error::Internal(error.into()))?;
    if kind == "svg" {
        Ok(image("image/svg+xml", picture.svg()))
    } else {
        Ok(image("image/png", picture.png(request.size.0)?))
    }
}

fn receive_code(mut content: Content, platform: Platform) -> Result<String, Error> {
    content.payloads.remove(&platform).ok_or_else(|| {
        Error::Invalid("as must be a platform whose receive code is part of this code".to_owned())
    })
}

fn image(kind: &'static str, body: impl IntoResponse) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHE)];
    (headers, body).into_response()
}

impl From<PngError> for Error {
    fn from(error: PngError) -> Self {
        match error {
            PngError::TooSmall(_) => Self::Invalid(error.to_string()),
            PngError::Encoding(error) => Self::Internal(error.into()),
        }
    }
}
