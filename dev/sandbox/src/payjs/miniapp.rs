//! The PayJS mini-program, which `wx.navigateToMiniProgram` opens, as a web page.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use heyi_common::form;
use serde_json::{Value, json};
use url::Url;

use super::{orders, rules::MINI_PROGRAM};
use crate::{
    context::Shared,
    ledger::Order,
    page,
    refusal::Refusal,
    request::{Fields, wants_json},
};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/payjs/miniapp", get(open).post(open))
        .route("/payjs/miniapp/{payjs_order_id}", get(show))
        .route("/payjs/miniapp/{payjs_order_id}/pay", post(pay))
        .route("/payjs/miniapp/{payjs_order_id}/cancel", post(cancel))
}

/// Creates an order from the `extraData` and shows the payment page.
async fn open(
    State(ctx): State<Shared>,
    headers: HeaderMap,
    Fields(extra_data): Fields,
) -> Result<Response, Refusal> {
    let order = orders::make(&ctx, MINI_PROGRAM, &extra_data)?;
    if wants_json(&headers) {
        let reply = json!({
            "return_code": 1,
            "payjs_order_id": order.payjs_order_id,
            "out_trade_no": order.out_trade_no,
            "total_fee": order.total_fee,
        });
        return Ok(Json(reply).into_response());
    }
    Ok(Html(page::payment(&ctx.options, &order)).into_response())
}

/// Shows the payment page of an existing order, as WeChat does after a scan of the code of `native`.
async fn show(
    State(ctx): State<Shared>,
    Path(payjs_order_id): Path<String>,
) -> Result<Response, Refusal> {
    let order = ctx.books().order(&payjs_order_id)?.clone();
    Ok(Html(page::payment(&ctx.options, &order)).into_response())
}

async fn pay(
    State(ctx): State<Shared>,
    headers: HeaderMap,
    Path(payjs_order_id): Path<String>,
) -> Result<Response, Refusal> {
    orders::pay(&ctx, &payjs_order_id)?;
    leave(&ctx, &headers, &payjs_order_id, true)
}

async fn cancel(
    State(ctx): State<Shared>,
    headers: HeaderMap,
    Path(payjs_order_id): Path<String>,
) -> Result<Response, Refusal> {
    leave(&ctx, &headers, &payjs_order_id, false)
}

/// Redirects the payer back, with the `extraData` that PayJS's mini-program returns.
fn leave(
    ctx: &Shared,
    headers: &HeaderMap,
    payjs_order_id: &str,
    success: bool,
) -> Result<Response, Refusal> {
    let order = ctx.books().order(payjs_order_id)?.clone();
    // The documents name the field but not its values.
    let result_code = if success { "SUCCESS" } else { "CANCEL" };
    let extra_data = [
        ("success", json!(success)),
        ("payjsOrderId", json!(payjs_order_id)),
        ("resultCode", json!(result_code)),
        ("outTradeNo", json!(order.out_trade_no)),
    ];
    if wants_json(headers) {
        let object = extra_data.map(|(name, value)| (name.to_owned(), value));
        return Ok(Json(Value::Object(object.into_iter().collect())).into_response());
    }
    let query = extra_data
        .map(|(name, value)| {
            let text = value.as_str().map_or(value.to_string(), ToOwned::to_owned);
            (name.to_owned(), text)
        })
        .into();
    Ok(Redirect::to(&back(&order, &form::write(&query))).into_response())
}

/// The cashier's callback, or the demo page.
fn back(order: &Order, query: &str) -> String {
    match order.callback_url.as_deref().map(Url::parse) {
        Some(Ok(mut url)) => {
            url.set_query(Some(query));
            url.into()
        }
        _ => format!("/?{query}"),
    }
}
