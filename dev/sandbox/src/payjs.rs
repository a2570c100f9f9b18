//! PayJS: its mini-program, its REST interface and its notifies.

mod miniapp;
mod notify;
mod orders;
mod rest;
mod rules;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

pub use notify::SCHEDULE;
pub(crate) use orders::{open, pay};

use crate::{
    context::Shared, knobs::Refuse, ledger::Refused, page, refusal::Refusal, request::wants_json,
};

pub(crate) fn routes(ctx: &Shared) -> Router<Shared> {
    let rest = rest::routes().layer(middleware::from_fn_with_state(ctx.clone(), misbehave));
    let pages = miniapp::routes().layer(middleware::from_fn(refuse_as_page));
    rest.merge(pages)
        .layer(middleware::from_fn_with_state(ctx.clone(), note_refusal))
}

/// Applies the knobs of the REST interface.
async fn misbehave(State(ctx): State<Shared>, request: Request, next: Next) -> Response {
    match ctx.knobs_of_answer().await.refuse {
        Refuse::No | Refuse::WrongSign => next.run(request).await,
        Refuse::ReturnCode => Refusal::Knob.into_response(),
        Refuse::Http500 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Refuse::BrokenJson => "{\"return_code\":1,\"status\":".into_response(),
    }
}

/// Records refusals in the ledger.
async fn note_refusal(State(ctx): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        ctx.books().refused.push(Refused {
            path,
            at: Timestamp::now(),
            reason: refusal.to_string(),
        });
    }
    response
}

/// Renders a refusal as a page, unless the client asks for JSON.
async fn refuse_as_page(request: Request, next: Next) -> Response {
    let json = wants_json(request.headers());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Refusal>() {
        Some(refusal) if json => refusal.into_response(),
        Some(refusal) => {
            let mut shown = (StatusCode::BAD_REQUEST, page::refusal(&refusal)).into_response();
            shown.extensions_mut().insert(refusal);
            shown
        }
        None => response,
    }
}
