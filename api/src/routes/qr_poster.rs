//! `/qr/<id>/poster.svg` and `/qr/<id>/poster.png`: a code drawn to be printed.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::qr_picture::CACHE;
use crate::{
    http::{
        client_ip::Client,
        error::Error,
        language::Language,
        params::{PageParams, Within},
    },
    pictures::poster::{Poster, PosterError, Style, Subject},
    state::AppState,
};

/// For an SVG that is opened directly. Emoji may be embedded pictures.
const POLICY: &str = "default-src 'none'; img-src data:";
/// The characters of the name that no font has.
const MISSING: HeaderName = HeaderName::from_static("x-missing-glyphs");

type Width = Within<u16, 400, 2048, 1080>;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// What it looks like; `classic` without. `stand` is an A6 table stand with marks to cut along; `pair` shows the receive codes of
    /// WeChat and Alipay themselves beside the composite one.
    #[serde(default)]
    #[param(inline)]
    style: Style,
    /// The language of everything but the name; else that of `Accept-Language`.
    #[param(inline)]
    lang: Option<Language>,
    /// Of a PNG only: its width in pixels, from 400 to 2048.
    #[serde(default)]
    #[param(inline)]
    size: Width,
}

/// Draws a poster of a code as SVG, without anything from elsewhere.
#[utoipa::path(
    get,
    path = "/qr/{id}/poster.svg",
    params(("id", description = "The code's id"), Request),
    responses((status = 200, body = String, content_type = "image/svg+xml", headers(
        ("x-missing-glyphs" = Option<String>, description = "The code points of the name that no font has")
    )))
)]
pub(super) async fn poster_svg(
    State(state): State<AppState>,
    Client(client): Client,
    Path(id): Path<String>,
    headers: HeaderMap,
    PageParams(request): PageParams<Request>,
) -> Result<Response, Error> {
    let style = request.style;
    let subject = subject(&state, &id, &headers, &request).await?;
    let posters = state.posters.clone();
    let drawn = state
        .cpu_permits
        .take(client, move || posters.svg(&subject, style));
    let svg = drawn.await??;
    let policy = (header::CONTENT_SECURITY_POLICY, POLICY);
    Ok(([policy], answer("image/svg+xml", svg)).into_response())
}

/// Draws a poster of a code as PNG.
#[utoipa::path(
    get,
    path = "/qr/{id}/poster.png",
    params(("id", description = "The code's id"), Request),
    responses((status = 200, body = Vec<u8>, content_type = "image/png", headers(
        ("x-missing-glyphs" = Option<String>, description = "The code points of the name that no font has")
    )))
)]
pub(super) async fn poster_png(
    State(state): State<AppState>,
    Client(client): Client,
    Path(id): Path<String>,
    headers: HeaderMap,
    PageParams(request): PageParams<Request>,
) -> Result<Response, Error> {
    let (style, width) = (request.style, request.size.0);
    let subject = subject(&state, &id, &headers, &request).await?;
    let posters = state.posters.clone();
    let drawn = state
        .cpu_permits
        .take(client, move || posters.png(&subject, style, width));
    Ok(answer("image/png", drawn.await??))
}

/// Reads the code and makes it the subject of a poster.
async fn subject(
    state: &AppState,
    id: &str,
    headers: &HeaderMap,
    &Request { style, lang, .. }: &Request,
) -> Result<Subject, Error> {
    let (id, code) = state.codes.shown(&state.store, id).await?;
    let content = code.content();
    let missing: Vec<&str> = style
        .needs()
        .iter()
        .filter(|platform| !content.payloads.contains_key(platform))
        .map(|platform| platform.name())
        .collect();
    if !missing.is_empty() {
        return Err(Error::Invalid(format!(
            "style={} shows the receive codes of wechat and alipay themselves, and this code has none of {}: \
             choose another style",
            style.name(),
            missing.join(" and ")
        )));
    }
    Ok(Subject {
        url: state.page_url(&id.to_hex()),
        content,
        language: lang.unwrap_or_else(|| Language::of(headers)),
    })
}

fn answer<T: IntoResponse>(kind: &'static str, poster: Poster<T>) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, CACHE),
        (header::VARY, "accept-language"),
    ];
    let code_points = poster.missing.into_iter().map(u32::from);
    let missing: Vec<_> = code_points.map(|c| format!("U+{c:04X}")).collect();
    let missing = (!missing.is_empty()).then(|| [(MISSING, missing.join(" "))]);
    (headers, missing, poster.file).into_response()
}

impl From<PosterError> for Error {
    fn from(error: PosterError) -> Self {
        match error {
            PosterError::Code(error) => Self::Internal(error.into()),
            PosterError::Png(error) => error.into(),
            PosterError::Template(error) => Self::Internal(error),
        }
    }
}
