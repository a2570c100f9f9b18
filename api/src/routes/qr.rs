//! `/qr`: the page that a composite code points to.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use heyi_common::payload::Platform;
use utoipa::IntoParams;

use crate::{
    codes::Shown,
    error::Error,
    language::Language,
    pages::{App, CodePage, Page, View},
    params::Params,
    scanner::Scanner,
    state::AppState,
};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "for the document: a missing id is answered like an unknown one"
)]
pub(super) struct Request {
    /// The code's id.
    id: String,
    /// The app whose receive code is wanted, if not that of the app that asks: `wechat`, `alipay`, `qq`,
    /// `unionpay` or `jd`. One that the code does not have counts for nothing.
    r#as: Option<String>,
}

/// Shows a code to whoever scanned it.
///
/// Which receive code is shown depends on the scanning app; Alipay is sent straight to its own.
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
    let code = state
        .codes
        .shown(&state.store, params.get("id").unwrap_or_default())
        .await?;
    let scanner = Scanner::of(&headers);
    let wanted = params.get("as").and_then(platform_named);
    let wanted = wanted.filter(|platform| code.payload(*platform).is_some());
    let alipay = code.payload(Platform::Alipay);
    let mut response = match (scanner, wanted, alipay) {
        (Scanner::App(Platform::Alipay), None | Some(Platform::Alipay), Some(payload)) => {
            redirect(payload)?
        }
        _ => page(&state, &code, scanner, wanted, Language::of(&headers))?.into_response(),
    };
    // Who chooses another app has been counted.
    if wanted.is_none() {
        state.tally.count(code.id, scanner.platform());
    }
    let vary = HeaderValue::from_static("user-agent, accept-language");
    response.headers_mut().append(header::VARY, vary);
    Ok(response)
}

fn redirect(payload: &str) -> Result<Response, Error> {
    let location = HeaderValue::from_str(payload).map_err(|error| Error::Internal(error.into()))?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

/// The platform of this name.
pub(super) fn platform_named(name: &str) -> Option<Platform> {
    let mut all = Platform::ALL.into_iter();
    all.find(|platform| platform.name() == name)
}

fn page(
    state: &AppState,
    code: &Shown,
    scanner: Scanner,
    wanted: Option<Platform>,
    language: Language,
) -> Result<Page, Error> {
    let own = scanner.platform();
    let shown = wanted.or(own);
    let view = match shown {
        None => View::Composite,
        Some(platform) => match code.payload(platform) {
            None => View::Missing {
                app: App::new(platform, language),
            },
            Some(payload) => View::Receive {
                app: App::new(platform, language),
                is_inside: own == Some(platform),
                link: opens(scanner, platform).then_some(payload),
                has_overview: own.is_none(),
            },
        },
    };
    let others = code.platforms().filter(|other| shown != Some(*other));
    let page = CodePage {
        id: &code.id.to_hex(),
        name: code.name(),
        is_desktop: scanner == Scanner::Desktop,
        view,
        apps: others
            .map(|platform| App::new(platform, language))
            .collect(),
    };
    state.pages.code(&page, language).map_err(Error::Internal)
}

/// Whether a receive code is an address that leads on where the page is read: JD's within its app, Alipay's
/// from a phone's browser too. Other apps do not let each other's addresses through.
fn opens(scanner: Scanner, platform: Platform) -> bool {
    matches!(
        (scanner, platform),
        (Scanner::App(Platform::Jd), Platform::Jd) | (Scanner::Phone, Platform::Alipay)
    )
}
