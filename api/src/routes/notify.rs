//! `/notify`: PayJS reports a payment.

use std::time::Duration;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use heyi_common::{
    gateway::{Gateway, NotifyError, Payment},
    outage,
    redis::WriteError,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    http::{error::Error, params::read_body},
    meters::Notifies,
    state::AppState,
};

/// The gateway of this route.
const GATEWAY: Gateway = Gateway::Payjs;
/// PayJS times out after 3 s.
const LIMIT: Duration = Duration::from_millis(2500);
/// How many characters of an error are logged: it may quote the body.
const LOGGED: usize = 120;

/// Why a notify was rejected.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the body came too slowly")]
    SlowBody,
    #[error("the body cannot be read")]
    Body(#[source] Error),
    #[error(transparent)]
    NotOurs(#[from] NotifyError),
    #[error("the body is not UTF-8")]
    NotUtf8,
    #[error("it cannot be written")]
    Queue(#[from] WriteError),
    #[error("the service is starting")]
    Starting,
    #[error("Redis took too long")]
    TimedOut,
}

/// Takes a notify of PayJS into the queue.
///
/// Forgeries stay outside, so that nobody fills the queue with them; the worker verifies once more what it finds
/// there. Any answer but 200 makes PayJS send it again.
#[utoipa::path(
    post,
    path = "/notify",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "`success`: durably queued"),
        (status = 400, body = String, content_type = "text/plain", description = "`fail`: not a notify of this merchant"),
        (status = 503, body = String, content_type = "text/plain", description = "`fail`: could not be queued")
    )
)]
pub(super) async fn notify(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match receive(&state, &headers, body).await {
        Ok(payment) => {
            state.notifies.queued();
            // If Redis loses the payment before it is promoted, this line is the record of it.
            tracing::info!(
                order.out_trade_no = %payment.out_trade_no,
                payment.id = payment.payment_id,
                "notify queued"
            );
            "success".into_response()
        }
        Err(refusal) => refusal.answer(&state.notifies),
    }
}

async fn receive(state: &AppState, headers: &HeaderMap, body: Body) -> Result<Payment, Refusal> {
    let until = Instant::now() + LIMIT;
    let body = timeout_at(until, read_body(headers, body))
        .await
        .map_err(|_| Refusal::SlowBody)?
        .map_err(Refusal::Body)?;
    let payment = state.gateways.read_notify(GATEWAY, &body)?;
    state.check_installed().map_err(|_| Refusal::Starting)?;
    let body = String::from_utf8(body).map_err(|_| Refusal::NotUtf8)?;
    let queued = state
        .queue
        .enqueue_notify(GATEWAY, &payment.out_trade_no, body);
    timeout_at(until, queued)
        .await
        .map_err(|_| Refusal::TimedOut)??;
    Ok(payment)
}

impl Refusal {
    /// Reports the refusal to the caller, the metrics and the log. Refusals that anyone can cause raise no alarm.
    fn answer(self, notifies: &Notifies) -> Response {
        let status = match &self {
            Self::Body(error) => error.status(),
            Self::SlowBody | Self::NotOurs(_) | Self::NotUtf8 => StatusCode::BAD_REQUEST,
            Self::Starting | Self::Queue(_) | Self::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
        };
        if status.is_server_error() {
            notifies.unavailable.increment(1);
            outage::report("notify not queued, PayJS will send it again", &self);
        } else {
            notifies.refused.increment(1);
            let error: String = outage::causes(&self).chars().take(LOGGED).collect();
            tracing::warn!(error, "notify refused");
        }
        (status, "fail").into_response()
    }
}
