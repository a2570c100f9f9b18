//! `/checkOrder`: the state of an order.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::HeaderMap,
};
use heyi_common::{
    gateway::NamedPayment,
    order::OutTradeNo,
    queue::{Asker, Confirming, dead::REFUNDED},
    store::Mapping,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    http::{
        client_ip,
        error::{Error, OrderState, redis_away},
        params::Params,
        success::Success,
    },
    state::AppState,
};

/// The retry interval of the client when too many payments wait for a check.
const RETRY_AFTER_SECONDS: u64 = 10;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The number in the parameters that `/newOrder` answered.
    #[param(inline)]
    out_trade_no: OutTradeNo,
    /// The number of the payment, where the gateway's mini-program told it. `undefined` and `null` count as missing.
    #[param(nullable)]
    payjs_order_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Checked {
    /// The id of the code that the order became.
    order_id: String,
}

/// Asks for the code of an order, as often as wanted.
///
/// An order without a code answers 500 with a `state`. The gateway is soon asked about one that brings a `payjs_order_id`, so
/// ask again while the state is `pending`.
#[utoipa::path(
    method(get, post),
    path = "/checkOrder",
    params(Request),
    responses((status = 200, body = Success<Checked>))
)]
pub(super) async fn check_order(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Params(request): Params<Request>,
) -> Result<Success<Checked>, Error> {
    let number = &request.out_trade_no;
    let payment = request.payjs_order_id.as_deref();
    let payment = payment.map_or(Ok(None), NamedPayment::of_payjs);
    let payment = payment.map_err(|error| Error::Invalid(error.to_string()))?;
    if let Some(mapping) = state.store.mapping(number).await? {
        return Ok(checked(&mapping));
    }
    let failure = state.queue.failure(number).await.map_err(redis_away)?;
    if let Some(reason) = &failure
        && !is_new(&state, number, payment.as_ref()).await?
    {
        return Err(failed(reason));
    }
    if let Some(order) = state.orders.get(number).await? {
        if let Some(payment) = payment {
            let asker = Asker::Person(order.openid);
            let confirming = confirm(&state, number, order.created_at, &payment, &asker).await?;
            if let (Some(reason), Confirming::Asked | Confirming::Full) = (failure, confirming) {
                return Err(failed(&reason));
            }
        }
        return Err(pending());
    }
    // It may have become a code since the first lookup.
    if let Some(mapping) = state.store.mapping_for_certain(number).await? {
        return Ok(checked(&mapping));
    }
    let (Some(made_at), Some(payment)) = (number.made_at(), payment) else {
        return Err(unknown());
    };
    // Redis may have lost the order, or the order expired before its payment was reported. Only the gateway knows.
    let client = client_ip::client(peer.ip(), &headers, &state.config.http.trusted_proxies);
    let asker = Asker::Network(client_ip::site(client));
    Err(
        match confirm(&state, number, made_at, &payment, &asker).await? {
            Confirming::Queued | Confirming::Waiting => pending(),
            Confirming::Asked => failure.map_or_else(unknown, |reason| failed(&reason)),
            Confirming::Full => Error::TooManyRequests {
                retry_after: RETRY_AFTER_SECONDS,
            },
        },
    )
}

/// Whether the named payment has no dead letter, so that the gateway must be asked about it.
async fn is_new(
    state: &AppState,
    number: &OutTradeNo,
    payment: Option<&NamedPayment>,
) -> Result<bool, Error> {
    let Some(payment) = payment else {
        return Ok(false);
    };
    let has_letter = state.queue.has_letter(&payment.of(number)).await;
    Ok(!has_letter.map_err(redis_away)?)
}

/// Enqueues a confirm of a payment, if the payment can belong to this order.
async fn confirm(
    state: &AppState,
    number: &OutTradeNo,
    made_at: Timestamp,
    payment: &NamedPayment,
    asker: &Asker,
) -> Result<Confirming, Error> {
    if !payment.fits(made_at, Timestamp::now()) {
        return Err(Error::Invalid(NamedPayment::DOES_NOT_FIT.to_owned()));
    }
    state.check_installed()?;
    let queued = state
        .queue
        .enqueue_confirm(&payment.of(number), asker, state.config.orders.ttl)
        .await?;
    Ok(queued)
}

fn checked(mapping: &Mapping) -> Success<Checked> {
    Success::new(Checked {
        order_id: mapping.code_id.to_hex(),
    })
}

fn pending() -> Error {
    Error::NoCode {
        state: OrderState::Pending,
        errmsg: "the payment is not here yet: ask again in a moment".to_owned(),
    }
}

fn unknown() -> Error {
    Error::NoCode {
        state: OrderState::Unknown,
        errmsg: "there is no such order, or it has expired: make a new one".to_owned(),
    }
}

fn failed(reason: &str) -> Error {
    let errmsg = if reason == REFUNDED {
        "the payment was given back: make a new order".to_owned()
    } else {
        format!(
            "the payment arrived, but the code could not be made ({reason}): it will be looked into or refunded"
        )
    };
    Error::NoCode {
        state: OrderState::Failed,
        errmsg,
    }
}
