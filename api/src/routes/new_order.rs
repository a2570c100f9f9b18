//! `/newOrder`: checks the uploaded data and answers what PayJS's mini-program needs.

use axum::{Json, extract::State};
use heyi_common::{
    crash::{self, Point},
    order::{Fee, Order, OrderData},
    payjs::order_params,
    sign,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{error::Error, params::Params, state::AppState};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// A JSON object: `openId`, `name`, `payloads`. In a JSON body also the object itself.
    data: String,
    /// The price in fen.
    #[serde(rename = "totalFee")]
    #[param(value_type = i32, minimum = 1, maximum = 1_000_000)]
    total_fee: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Ordered {
    /// The signed parameters for PayJS's mini-program, to be handed on as they are.
    params: PayParams,
    errcode: u16,
}

/// What PayJS's mini-program takes, and nothing else; `total_fee` is a number there.
#[derive(Serialize, ToSchema)]
struct PayParams {
    #[serde(flatten)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    signed: sign::Params,
    /// The price in fen.
    total_fee: u32,
}

impl PayParams {
    fn new(order: Order) -> Self {
        let mut signed = order.params;
        signed.remove("total_fee");
        Self {
            signed,
            total_fee: order.total_fee.fen(),
        }
    }
}

/// Makes an order.
#[utoipa::path(
    method(get, post),
    path = "/newOrder",
    params(Request, ("sign" = Option<String>, Query, description = "Signature with the signKey of data.openId.")),
    responses((status = 200, body = Ordered))
)]
pub(super) async fn new_order(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<Ordered>, Error> {
    let config = &state.config;
    let request: Request = params.read()?;
    let data = OrderData::parse(&request.data, &config.orders.payloads)
        .map_err(|error| Error::Invalid(error.to_string()))?;
    if config.orders.require_sign || params.are_signed() {
        params.signed_by(data.openid.as_str(), config)?;
    }
    let total_fee = price(&request.total_fee, &config.orders.prices)?;
    let order = Order::new(data, total_fee, |out_trade_no| {
        order_params(&config.payjs, &state.notify_url, out_trade_no, total_fee)
    });
    state.orders.put(&order, config.orders.ttl).await?;
    crash::point(Point::OrderStored);
    tracing::debug!(
        order.out_trade_no = %order.out_trade_no,
        order.total_fee = total_fee.fen(),
        "order made"
    );
    Ok(Json(Ordered {
        params: PayParams::new(order),
        errcode: 200,
    }))
}

/// The price, which must be one of `prices` where any are set.
fn price(text: &str, prices: &[u32]) -> Result<Fee, Error> {
    let fee: Fee = text
        .parse()
        .map_err(|error: heyi_common::order::ValueError| Error::Invalid(error.to_string()))?;
    if prices.is_empty() || prices.contains(&fee.fen()) {
        Ok(fee)
    } else {
        let advice = format!("totalFee must be one of the prices: {prices:?} fen");
        Err(Error::Invalid(advice))
    }
}
