//! The outside of every answer: the format of failures, and headers.

use std::cmp::Ordering;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{accept, error::Failure, language::Language, state::AppState};

/// What every answer says unless its handler knows better.
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
    // For what is not HTML, such as redirects and pictures; pages say so themselves too.
    (
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow"),
    ),
];

/// Routes that answer pages.
const PAGES: [&str; 2] = ["/qr", "/report"];

/// The language in which the client would rather see a failure as a page, if it would.
pub(crate) fn wants_page(request: &Request) -> Option<Language> {
    let wants_page = match accept::html_over_json(request.headers()) {
        Ordering::Greater => true,
        // The success of these is a page.
        Ordering::Equal => PAGES.contains(&request.uri().path()),
        Ordering::Less => false,
    };
    wants_page.then(|| Language::of(request.headers()))
}

/// Shows failures as pages to those who want pages, and adds headers.
pub(crate) fn present(
    state: &AppState,
    mut response: Response,
    wants_page: Option<Language>,
) -> Response {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        if let Some(language) = wants_page {
            response = as_page(state, response, &failure, language);
        }
        let vary = HeaderValue::from_static("accept, accept-language");
        response.headers_mut().append(header::VARY, vary);
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// The same answer with the page of its status as body.
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
