//! `/checkOrder`: what became of an order.

use axum::{Json, extract::State};
use heyi_common::{order::OutTradeNo, queue::dead::REFUNDED, store::Mapping};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::{Error, OrderState, redis_away},
    params::Params,
    state::AppState,
};

const LONGEST_ID: usize = 64;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The number in the parameters that `/newOrder` answered.
    #[param(value_type = String)]
    out_trade_no: OutTradeNo,
    /// The number of the payment, where PayJS's mini-program told it.
    payjs_order_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Checked {
    /// The id of the code that the order became.
    order_id: String,
    errcode: u16,
}

/// Asks for the code of an order, as often as wanted.
///
/// An order without a code answers 500 with a `state`. A pending one that brings a `payjs_order_id` is looked up
/// at PayJS soon, so ask again.
#[utoipa::path(
    method(get, post),
    path = "/checkOrder",
    params(Request),
    responses((status = 200, body = Checked))
)]
pub(super) async fn check_order(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<Checked>, Error> {
    let request: Request = params.read()?;
    let number = &request.out_trade_no;
    let payment = payment(request.payjs_order_id.as_deref())?;
    if let Some(mapping) = state.store.mapping(number).await? {
        return Ok(checked(&mapping));
    }
    if let Some(reason) = state.queue.failure(number).await.map_err(redis_away)? {
        return Err(failed(&reason));
    }
    if state.orders.get(number).await?.is_none() {
        // It may have become a code since the first look.
        let mapping = state.store.mapping_for_certain(number).await?;
        return mapping.as_ref().map(checked).ok_or_else(unknown);
    }
    if let Some(payment) = payment {
        state.queue.enqueue_confirm(number, payment).await?;
    }
    Err(pending())
}

fn checked(mapping: &Mapping) -> Json<Checked> {
    Json(Checked {
        order_id: mapping.code_id.to_hex(),
        errcode: 200,
    })
}

fn payment(id: Option<&str>) -> Result<Option<&str>, Error> {
    let id = id.filter(|id| !id.is_empty());
    let sound =
        |id: &str| id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if id.is_none_or(sound) {
        Ok(id)
    } else {
        let advice = "payjs_order_id must be 1 to 64 letters or digits".to_owned();
        Err(Error::Invalid(advice))
    }
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
