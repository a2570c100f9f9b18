//! Reading parameters from a query, a form or a JSON object.

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, Method, header},
};
use heyi_common::{form, sign::Params};
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The longest body that is read, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// The parameters of a request: of its query for GET, else of its body.
pub(crate) struct Fields(pub(crate) Params);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if request.method() == Method::GET {
            let query = request.uri().query().unwrap_or_default();
            return from_form(query.as_bytes()).map(Self);
        }
        let is_json = mentions(request.headers(), header::CONTENT_TYPE, "application/json");
        let body = to_bytes(request.into_body(), LONGEST_BODY)
            .await
            .map_err(|error| Refusal::Unreadable(error.to_string()))?;
        if is_json {
            from_json(&body).map(Self)
        } else {
            from_form(&body).map(Self)
        }
    }
}

/// Whether the client asks for JSON rather than a page.
pub(crate) fn wants_json(headers: &HeaderMap) -> bool {
    mentions(headers, header::ACCEPT, "application/json")
}

fn mentions(headers: &HeaderMap, name: header::HeaderName, what: &str) -> bool {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains(what))
}

fn from_form(text: &[u8]) -> Result<Params, Refusal> {
    form::parse(text).map_err(|error| Refusal::Unreadable(error.to_string()))
}

fn from_json(body: &Bytes) -> Result<Params, Refusal> {
    let object: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    object
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            _ => Err(Refusal::Unreadable(format!("{name} is no text or number"))),
        })
        .collect()
}
