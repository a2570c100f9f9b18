//! `/newOrder`: checks the uploaded data and answers what the person needs to pay.

use axum::extract::State;
use heyi_common::{
    failpoint::{self, Failpoint},
    gateway::{Channel, Checkout},
    order::{Fee, Order, OrderData},
    pending_orders::{Placed, Signature, Terms},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::IntoParams;

use crate::{
    http::{
        client_ip::Client,
        error::Error,
        params::{self, Signed, SignedParams},
        success::Success,
    },
    pictures::qr,
    state::AppState,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// A JSON object: `openId`, `name`, `payloads`; `confirmed` (a boolean) takes codes of a platform that are perhaps no
    /// receive codes. In a JSON body also the object itself.
    data: String,
    /// The price in fen.
    #[serde(rename = "totalFee", deserialize_with = "fee")]
    #[param(inline)]
    total_fee: Fee,
    /// Where the person pays: in the mini-program of PayJS, on its cashier page, or by scanning a code of WeChat Pay.
    #[serde(default)]
    #[param(inline, default = Channel::default)]
    channel: Channel,
}

/// Makes an order. One signature makes at most one: sign each request with a later `ts`.
#[utoipa::path(
    method(get, post),
    path = "/newOrder",
    params(Request, params::Signature),
    responses((status = 200, body = Success<Checkout>))
)]
pub(super) async fn new_order(
    State(state): State<AppState>,
    Client(client): Client,
    SignedParams(request, signed): SignedParams<Request>,
) -> Result<Success<Checkout>, Error> {
    let config = &state.config;
    let data = OrderData::parse(&request.data, &config.orders.payloads)?;
    qr::check(&data.content.payloads)?;
    if config.orders.require_sign || signed.is_there() {
        signed.by_person(data.openid.as_str(), config)?;
    }
    let Request {
        total_fee, channel, ..
    } = request;
    check_price(total_fee, &config.orders.prices)?;
    if channel.asks_gateway() {
        // Before the order is stored: an order that the gateway never receives would only use memory.
        state.budgets.native(client, data.openid.as_str())?;
    }
    let out_trade_no = state.queue.keys().draw_number(&data.openid);
    let merchant = state.gateways.merchant(channel.gateway());
    let order = Order::new(data, total_fee, out_trade_no, merchant);
    place(&state, &order, &signed).await?;
    failpoint::reach(Failpoint::OrderStored);
    tracing::debug!(
        order.out_trade_no = %order.out_trade_no,
        order.total_fee = total_fee.fen(),
        order.channel = channel.name(),
        "order made"
    );
    let checkout = state.gateways.checkout(&order, channel).await?;
    Ok(Success::new(checkout))
}

/// Stores the order if its signature is new and its person is below the limit.
async fn place(state: &AppState, order: &Order, signed: &Signed) -> Result<(), Error> {
    state.check_installed()?;
    let orders = &state.config.orders;
    let signature = signed.once(&state.config);
    let terms = Terms {
        ttl: orders.ttl,
        open_per_person: orders.open_per_person,
        signature: signature.as_ref().map(|(text, remember_for)| Signature {
            text,
            remember_for: *remember_for,
        }),
    };
    state
        .room
        .require()
        .inspect_err(|_| state.orders_refused.memory.increment(1))?;
    match state.orders.place(order, terms).await? {
        Placed::Stored => Ok(()),
        Placed::SignatureUsed => Err(Error::SignatureUsed),
        Placed::Blocked => Err(Error::Blocked),
        Placed::TooManyOpen { first_expires_in } => {
            state.orders_refused.too_many_open.increment(1);
            Err(Error::TooManyOpen {
                most: orders.open_per_person,
                retry_after: first_expires_in.as_secs() + 1,
            })
        }
    }
}

/// The price must be one of `prices`, if any are set.
fn check_price(price: Fee, prices: &[u32]) -> Result<(), Error> {
    if prices.is_empty() || prices.contains(&price.fen()) {
        Ok(())
    } else {
        let advice = format!("totalFee must be one of the prices: {prices:?} fen");
        Err(Error::Invalid(advice))
    }
}

/// Reads the number as text; elsewhere it is a number.
fn fee<'de, D: Deserializer<'de>>(text: D) -> Result<Fee, D::Error> {
    let text = String::deserialize(text)?;
    text.parse().map_err(D::Error::custom)
}
