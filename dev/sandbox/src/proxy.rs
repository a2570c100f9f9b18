//! `/api/…`: forwards the demo page's calls to Heyi's api, so that the page needs one origin only.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::any,
};

use crate::context::{Context, Shared};

/// The header with the scanner's User-Agent for the api.
const USER_AGENT: &str = "x-sandbox-user-agent";

/// Asks for a redirect as JSON, since a script in a browser cannot read its target.
const SHOW_REDIRECT: &str = "x-sandbox-show-redirect";

/// The api's headers that are returned.
const RETURNED: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::CACHE_CONTROL,
];

/// More than the api accepts, so that its own error is returned.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/{*path}", any(pass_on))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

async fn pass_on(
    State(ctx): State<Shared>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(api_url) = &ctx.options.api_url else {
        return fail(StatusCode::SERVICE_UNAVAILABLE, "no api is configured");
    };
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let target = format!(
        "{}{}",
        api_url.as_str().trim_end_matches('/'),
        path.strip_prefix("/api").unwrap_or(path)
    );
    match call(&ctx, method, target, &headers, body).await {
        Ok(response) => response,
        Err(error) => fail(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

async fn call(
    ctx: &Context,
    method: Method,
    target: String,
    headers: &HeaderMap,
    body: Bytes,
) -> reqwest::Result<Response> {
    let mut request = ctx.http.request(method, target).body(body);
    for name in [header::ACCEPT, header::CONTENT_TYPE] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    if let Some(value) = headers
        .get(USER_AGENT)
        .or_else(|| headers.get(header::USER_AGENT))
    {
        request = request.header(header::USER_AGENT, value);
    }
    let answer = request.send().await?;
    let status = answer.status();
    let kept: HeaderMap = RETURNED
        .into_iter()
        .filter_map(|name| Some((name.clone(), answer.headers().get(name)?.clone())))
        .collect();
    if status.is_redirection() && headers.contains_key(SHOW_REDIRECT) {
        let location = kept
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok());
        let shown = serde_json::json!({"status": status.as_u16(), "location": location});
        return Ok(Json(shown).into_response());
    }
    Ok((status, kept, answer.bytes().await?).into_response())
}

fn fail(status: StatusCode, errmsg: &str) -> Response {
    let body = serde_json::json!({"errcode": status.as_u16(), "errmsg": errmsg});
    (status, Json(body)).into_response()
}
