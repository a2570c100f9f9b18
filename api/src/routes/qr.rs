//! `/qr`: the page that a composite code points to.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use heyi_common::{order::Content, platform::Platform, scans::today};
use jiff::ToSpan as _;
use mongodb::bson::oid::ObjectId;
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

use crate::{
    codes::Shown,
    http::{error::Error, language::Language, negotiate, params::PageParams},
    pages::{CodePage, Kind, Page, View, scanner::Scanner, visit},
    state::AppState,
};

/// For so many days the page says that receive codes were changed.
const CHANGE_SHOWN: i64 = 30;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    // A missing one is answered like an unknown one.
    #[serde(default)]
    #[param(required)]
    id: String,
    /// The app whose receive code is wanted, if not that of the app that asks. One that the code does not have is ignored.
    #[serde(default, deserialize_with = "if_known")]
    #[param(inline)]
    r#as: Option<Platform>,
}

/// Shows a code to the person who scanned it.
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
    method: Method,
    headers: HeaderMap,
    PageParams(request): PageParams<Request>,
) -> Result<Response, Error> {
    let (id, code) = state.codes.shown(&state.store, &request.id).await?;
    let content = code.content();
    let scanner = Scanner::of(&headers);
    let wanted = request
        .r#as
        .filter(|platform| content.payloads.contains_key(platform));
    let to_alipay = match (scanner, wanted) {
        (Scanner::App(Platform::Alipay), None | Some(Platform::Alipay)) => {
            content.payloads.get(&Platform::Alipay)
        }
        _ => None,
    };
    let mut response = match to_alipay {
        Some(payload) => redirect(payload)?,
        None => page(&state, id, &code, &content, scanner, wanted, &headers)?.into_response(),
    };
    // A visitor who selects another app is already counted.
    if wanted.is_none() && visit::is_by_person(&method, &headers) {
        state.counter.count(id, scanner.platform());
    }
    let vary = HeaderValue::from_static("user-agent, accept-language, accept-encoding");
    response.headers_mut().append(header::VARY, vary);
    Ok(response)
}

fn if_known<'de, D: Deserializer<'de>>(name: D) -> Result<Option<Platform>, D::Error> {
    Ok(Platform::named(&String::deserialize(name)?))
}

fn redirect(payload: &str) -> Result<Response, Error> {
    let location = HeaderValue::from_str(payload).map_err(|error| Error::Internal(error.into()))?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

fn page(
    state: &AppState,
    id: ObjectId,
    code: &Shown,
    content: &Content,
    scanner: Scanner,
    wanted: Option<Platform>,
    headers: &HeaderMap,
) -> Result<Page, Error> {
    let payloads = &content.payloads;
    let own = scanner.platform();
    let shown = wanted.or(own);
    let opened = shown.filter(|platform| opens(scanner, *platform));
    let link = opened.and_then(|platform| payloads.get(&platform));
    let view = match shown {
        None => View::Composite,
        Some(app) if payloads.contains_key(&app) => View::Receive {
            app,
            is_inside: own == Some(app),
            has_link: link.is_some(),
            has_overview: own.is_none(),
        },
        Some(app) => View::Missing { app },
    };
    let first_day = today().saturating_sub(CHANGE_SHOWN.days());
    let changed_on = code.changed_on().filter(|day| *day > first_day);
    let changed_on = changed_on.map(|day| day.to_string());
    let others = payloads.keys().filter(|other| shown != Some(**other));
    let page = CodePage {
        id: &id.to_hex(),
        name: &content.name,
        link: link.map_or("", String::as_str),
        changed_on: changed_on.as_deref().unwrap_or_default(),
        kind: Kind {
            language: Language::of(headers),
            is_desktop: scanner == Scanner::Desktop,
            is_changed: changed_on.is_some(),
            view,
            apps: others.copied().collect(),
        },
    };
    let page = state.pages.code(&page, negotiate::gzip(headers));
    page.map_err(Error::Internal)
}

/// Whether the receive code is a link that works where the page is read. JD's works in its own app, Alipay's also in a
/// phone's browser. Other apps block each other's links.
fn opens(scanner: Scanner, platform: Platform) -> bool {
    matches!(
        (scanner, platform),
        (Scanner::App(Platform::Jd), Platform::Jd) | (Scanner::Phone, Platform::Alipay)
    )
}
