//! The outside of every answer: the format of failures, and headers.

use std::{cmp::Ordering, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    accept,
    error::{Error, Failure},
    pages,
    state::AppState,
};

/// What every answer says unless its handler knows better.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
];

/// Shows failures as pages to those who want pages, and adds headers.
pub(crate) async fn present(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let wants_page = match accept::html_over_json(request.headers()) {
        Ordering::Greater => true,
        // The success of this one is a page.
        Ordering::Equal => request.uri().path() == "/qr",
        Ordering::Less => false,
    };
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        if wants_page {
            response = as_page(&state, response, &failure);
        }
        let accept = HeaderValue::from_static("accept");
        response.headers_mut().append(header::VARY, accept);
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Cuts off whoever sends or waits for too long.
pub(crate) async fn within(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    tokio::time::timeout(limit, next.run(request))
        .await
        .map_err(|_| Error::TimedOut)
}

/// The same answer with the page of its status as body.
fn as_page(state: &AppState, json: Response, failure: &Failure) -> Response {
    let status = json.status();
    let html = match state.pages.failure(status, &failure.errmsg) {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a page cannot be rendered");
            return json;
        }
    };
    let mut page = (status, pages::Page(html)).into_response();
    for (name, value) in json.headers() {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            page.headers_mut().append(name, value.clone());
        }
    }
    page
}
