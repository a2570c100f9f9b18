//! `/qr`: the page that a composite code points to.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use heyi_common::{payload::Platform, store::Code};
use mongodb::bson::oid::ObjectId;
use utoipa::IntoParams;

use crate::{
    error::Error,
    pages::{CodePage, Page, Receive, label},
    params::Params,
    picture::Picture,
    scanner,
    state::AppState,
};

/// The side of a receive code's picture, in pixels. People save it and scan it from their album.
const SIDE: u32 = 480;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "for the document: a missing id is answered like an unknown one"
)]
pub(super) struct Request {
    /// The code's id.
    id: String,
}

/// Shows a code to whoever scanned it.
///
/// Which receive code comes first depends on the scanning app; Alipay is sent straight to its own.
#[utoipa::path(
    method(get, post),
    path = "/qr",
    params(Request),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 302, description = "To Alipay's own page, for Alipay")
    )
)]
pub(super) async fn qr(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    let code = shown_code(&state, params.get("id").unwrap_or_default()).await?;
    let scanner = scanner::of(&headers);
    let mut response = match (scanner, code.payloads.get(&Platform::Alipay)) {
        (Some(Platform::Alipay), Some(payload)) => redirect(payload)?,
        _ => page(&state, &code, scanner)?,
    };
    let agent = HeaderValue::from_static("user-agent");
    response.headers_mut().append(header::VARY, agent);
    Ok(response)
}

/// The code with this id, unless it is deleted or disabled, with the payloads that are still known forms. Else,
/// or when there are none, it is gone.
pub(super) async fn shown_code(state: &AppState, id: &str) -> Result<Code, Error> {
    let id = ObjectId::parse_str(id).map_err(|_| Error::Gone)?;
    let code = state.store.code(id).await?;
    let mut code = code.filter(Code::is_shown).ok_or(Error::Gone)?;
    let known = &state.config.orders.payloads;
    code.payloads
        .retain(|platform, payload| known.knows(*platform, payload));
    if code.payloads.is_empty() {
        tracing::warn!(code.id = %id, "none of the code's payloads is a known form any more");
        return Err(Error::Gone);
    }
    Ok(code)
}

fn redirect(payload: &str) -> Result<Response, Error> {
    let location = HeaderValue::from_str(payload).map_err(|error| Error::Internal(error.into()))?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

fn page(state: &AppState, code: &Code, scanner: Option<Platform>) -> Result<Response, Error> {
    let mut own = None;
    let mut others = Vec::new();
    for platform in Platform::ALL {
        let Some(payload) = code.payloads.get(&platform) else {
            continue;
        };
        let is_own = scanner == Some(platform);
        let receive = receive(platform, payload, is_own).map_err(Error::Internal)?;
        if is_own {
            own = Some(receive);
        } else {
            others.push(receive);
        }
    }
    let html = state.pages.code(&CodePage {
        name: &code.name,
        scanner: scanner.map(label),
        own,
        others,
    });
    Ok(Page(html.map_err(Error::Internal)?).into_response())
}

fn receive(platform: Platform, payload: &str, is_own: bool) -> anyhow::Result<Receive> {
    let png = Picture::new(payload)?.png(SIDE)?;
    Ok(Receive {
        platform,
        label: label(platform),
        picture: format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)),
        // Within JD's app its code is an ordinary address; the others' apps want theirs scanned.
        link: (is_own && platform == Platform::Jd).then(|| payload.to_owned()),
    })
}
