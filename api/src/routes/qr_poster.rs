//! `/qr/<id>/poster.svg` and `/qr/<id>/poster.png`: a code drawn to be printed.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::qr_picture::CACHE;
use crate::{
    http::{client_ip::Client, error::Error, language::Language, params::PageParams},
    pictures::poster::{PosterError, Style, Subject},
    state::AppState,
};

const SIZES: std::ops::RangeInclusive<u16> = 400..=2048;
const DEFAULT_SIZE: u16 = 1080;
/// Of an SVG that is opened by itself: it is only looked at.
const POLICY: &str = "default-src 'none'";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// What it looks like; `classic` without. `stand` is an A6 table stand with marks to cut along; `pair` shows the receive codes of
    /// WeChat and Alipay themselves beside the composite one.
    #[param(value_type = Option<Style>, inline)]
    style: Option<String>,
    /// The language of everything but the name; else that of `Accept-Language`.
    #[param(value_type = Option<Tag>, inline)]
    lang: Option<String>,
    /// Of a PNG only: its width in pixels, from 400 to 2048.
    #[param(value_type = Option<i32>, minimum = 400, maximum = 2048, default = 1080)]
    size: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document: `Language` has other names")]
enum Tag {
    Zh,
    En,
}

/// Draws a poster of a code as SVG, without fonts or anything else from elsewhere.
#[utoipa::path(
    get,
    path = "/qr/{id}/poster.svg",
    params(("id" = String, Path, description = "The code's id"), Request),
    responses((status = 200, body = String, content_type = "image/svg+xml"))
)]
pub(super) async fn poster_svg(
    State(state): State<AppState>,
    Client(client): Client,
    Path(id): Path<String>,
    headers: HeaderMap,
    params: PageParams,
) -> Result<Response, Error> {
    let (subject, style, _) = what(&state, &id, &headers, &params).await?;
    let posters = state.posters.clone();
    let drawn = state
        .turns
        .take(client, move || posters.svg(&subject, style));
    let svg = drawn.await??;
    let policy = (header::CONTENT_SECURITY_POLICY, POLICY);
    Ok(([policy], poster("image/svg+xml", svg)).into_response())
}

/// Draws a poster of a code as PNG.
#[utoipa::path(
    get,
    path = "/qr/{id}/poster.png",
    params(("id" = String, Path, description = "The code's id"), Request),
    responses((status = 200, body = Vec<u8>, content_type = "image/png"))
)]
pub(super) async fn poster_png(
    State(state): State<AppState>,
    Client(client): Client,
    Path(id): Path<String>,
    headers: HeaderMap,
    params: PageParams,
) -> Result<Response, Error> {
    let (subject, style, width) = what(&state, &id, &headers, &params).await?;
    let posters = state.posters.clone();
    let drawn = state
        .turns
        .take(client, move || posters.png(&subject, style, width));
    Ok(poster("image/png", drawn.await??))
}

/// What is to be drawn, how, and how wide.
async fn what(
    state: &AppState,
    id: &str,
    headers: &HeaderMap,
    params: &PageParams,
) -> Result<(Subject, Style, u16), Error> {
    let request: Request = params.read()?;
    let style = style(&request)?;
    let language = language(&request, headers)?;
    let width = width(&request)?;
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
    let subject = Subject {
        url: state.page_url(&id.to_hex()),
        name: content.name,
        payloads: content.payloads,
        language,
    };
    Ok((subject, style, width))
}

fn style(request: &Request) -> Result<Style, Error> {
    let Some(name) = request.style.as_deref() else {
        return Ok(Style::default());
    };
    let mut all = Style::ALL.into_iter();
    all.find(|style| style.name() == name).ok_or_else(|| {
        Error::Invalid("style must be classic, dark, stand, sticker or pair".to_owned())
    })
}

fn language(request: &Request, headers: &HeaderMap) -> Result<Language, Error> {
    match request.lang.as_deref() {
        None => Ok(Language::of(headers)),
        Some(name) => {
            Language::named(name).ok_or_else(|| Error::Invalid("lang must be zh or en".to_owned()))
        }
    }
}

fn width(request: &Request) -> Result<u16, Error> {
    let Some(text) = request.size.as_deref() else {
        return Ok(DEFAULT_SIZE);
    };
    text.parse()
        .ok()
        .filter(|width| SIZES.contains(width))
        .ok_or_else(|| Error::Invalid("size must be from 400 to 2048 pixels".to_owned()))
}

fn poster(kind: &'static str, body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, CACHE),
        (header::VARY, "accept-language"),
    ];
    (headers, body).into_response()
}

impl From<PosterError> for Error {
    fn from(error: PosterError) -> Self {
        match error {
            PosterError::Code(error) => Self::Internal(error.into()),
            PosterError::Png(error) => error.into(),
        }
    }
}
