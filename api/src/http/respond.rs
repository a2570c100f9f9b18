//! The last step of every response: the format of failures, and headers.

use std::cmp::Ordering;

use axum::{
    Json,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        error::Failure,
        language::{Language, chinese},
        negotiate,
    },
    state::AppState,
};

/// Default headers of every response.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    // For responses other than HTML, such as redirects and pictures; pages set it themselves.
    (
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow"),
    ),
];

/// Routes that return pages.
const PAGES: [&str; 2] = ["/qr", "/report"];

/// The format of a failure that the client prefers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preference {
    is_page: bool,
    language: Language,
}

impl Preference {
    /// Reads the preference from the request's headers.
    pub(crate) fn of(request: &Request) -> Self {
        let headers = request.headers();
        let is_page = match negotiate::html_over_json(headers) {
            Ordering::Greater => true,
            // These routes return a page on success.
            Ordering::Equal => PAGES.contains(&request.uri().path()),
            Ordering::Less => false,
        };
        let language = if is_page {
            Language::of(headers)
        } else {
            Language::of_errmsg(headers)
        };
        Self { is_page, language }
    }
}

/// Renders failures in the client's format and language, and adds headers.
pub(crate) fn respond(
    state: &AppState,
    mut response: Response,
    preference: Preference,
) -> Response {
    if let Some(mut failure) = response.extensions_mut().remove::<Failure>() {
        if preference.language == Language::Chinese {
            failure.errmsg = chinese(&failure.errmsg);
        }
        if preference.is_page {
            response = as_page(state, response, &failure, preference.language);
        } else if preference.language == Language::Chinese {
            *response.body_mut() = Json(&failure).into_response().into_body();
        }
        let vary = HeaderValue::from_static("accept, accept-language");
        response.headers_mut().append(header::VARY, vary);
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// The same response with an HTML page as its body.
fn as_page(state: &AppState, json: Response, failure: &Failure, language: Language) -> Response {
    let status = json.status();
    let page = match state.pages.failure(status, failure, language) {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a page cannot be rendered");
            return json;
        }
    };
    let mut page = (status, page).into_response();
    for (name, value) in json.headers() {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            page.headers_mut().append(name, value.clone());
        }
    }
    page
}
