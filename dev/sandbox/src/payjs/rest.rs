//! The REST interface: `native`, `cashier`, `check`, `close`, `refund`.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use heyi_common::sign::{self, Params, SIGN};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    orders,
    rules::{self, CASHIER, NATIVE, OF_ORDER},
};
use crate::{
    clock,
    context::{Books, Context, Shared},
    knobs::Refuse,
    ledger::{Check, Order, OrderStatus, Series},
    page, pseudonym,
    refusal::Refusal,
    request::Fields,
};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/payjs/api/native", post(native))
        .route("/payjs/api/cashier", get(cashier))
        .route("/payjs/api/check", post(check))
        .route("/payjs/api/close", post(close))
        .route("/payjs/api/refund", post(refund))
}

/// Creates an order. The answer has the amount as a string, as PayJS's does.
async fn native(State(ctx): State<Shared>, Fields(params): Fields) -> Result<Json<Value>, Refusal> {
    let order = orders::make(&ctx, NATIVE, &params)?;
    let short = pseudonym::letters(&["code_url", &order.payjs_order_id], 7);
    Ok(signed(
        &ctx,
        [
            ("return_code", json!(1)),
            ("return_msg", json!("SUCCESS")),
            ("payjs_order_id", json!(order.payjs_order_id)),
            ("out_trade_no", json!(order.out_trade_no)),
            ("total_fee", json!(order.total_fee.to_string())),
            ("qrcode", json!(format!("https://payjs.cn/qrcode/{short}"))),
            (
                "code_url",
                json!(format!("weixin://wxpay/bizpayurl?pr={short}")),
            ),
        ],
    ))
}

/// Creates an order and shows the payment page.
async fn cashier(State(ctx): State<Shared>, Fields(params): Fields) -> Result<Response, Refusal> {
    let order = orders::make(&ctx, CASHIER, &params)?;
    Ok(Html(page::payment(&ctx.options, &order)).into_response())
}

/// Answers whether an order is paid. "Paid" ends its notifies.
async fn check(State(ctx): State<Shared>, Fields(params): Fields) -> Result<Json<Value>, Refusal> {
    rules::check(&ctx.options, OF_ORDER, &params)?;
    let order = {
        let mut books = ctx.books();
        limit_checks(&mut books)?;
        let order = books.order_mut(&params["payjs_order_id"])?;
        let paid = order.paid_at.is_some();
        if paid && order.series == Series::Running {
            order.series = Series::SeenByCheck;
        }
        let order = order.clone();
        books.checks.push(Check {
            payjs_order_id: order.payjs_order_id.clone(),
            at: Timestamp::now(),
            paid,
        });
        order
    };
    Ok(signed(&ctx, check_reply(&ctx, &order)))
}

/// The answer of `check`. The documents have two states only, so a refunded order is still paid.
fn check_reply(ctx: &Context, order: &Order) -> Vec<(&'static str, Value)> {
    let mut reply = vec![
        ("return_code", json!(1)),
        ("mchid", json!(ctx.options.mchid)),
        ("out_trade_no", json!(order.out_trade_no)),
        ("payjs_order_id", json!(order.payjs_order_id)),
        ("total_fee", json!(order.total_fee)),
    ];
    if let (Some(paid_at), Some(transaction_id)) = (order.paid_at, &order.transaction_id) {
        reply.push(("status", json!(1)));
        reply.push(("transaction_id", json!(transaction_id)));
        reply.push(("paid_time", json!(clock::readable(paid_at))));
        reply.push(("openid", json!(pseudonym::openid(&order.out_trade_no))));
        if let Some(attach) = &order.attach {
            reply.push(("attach", json!(attach)));
        }
    } else {
        reply.push(("status", json!(0)));
        reply.push(("transaction_id", json!("0")));
        reply.push(("paid_time", json!("0")));
    }
    reply
}

/// Applies the rate limit: PayJS blocks clients that poll.
fn limit_checks(books: &mut Books) -> Result<(), Refusal> {
    let now = Instant::now();
    while books
        .recent_checks
        .front()
        .is_some_and(|earlier| now - *earlier >= Duration::from_secs(1))
    {
        books.recent_checks.pop_front();
    }
    let limit = books.knobs.checks_per_second;
    if limit > 0 && books.recent_checks.len() >= limit {
        books.polled_too_fast += 1;
        return Err(Refusal::TooFast);
    }
    books.recent_checks.push_back(now);
    Ok(())
}

/// Closes an unpaid order. May be repeated.
async fn close(State(ctx): State<Shared>, Fields(params): Fields) -> Result<Json<Value>, Refusal> {
    rules::check(&ctx.options, OF_ORDER, &params)?;
    {
        let mut books = ctx.books();
        let order = books.order_mut(&params["payjs_order_id"])?;
        match order.status {
            OrderStatus::Created | OrderStatus::Closed => order.status = OrderStatus::Closed,
            OrderStatus::Paid => return Err(Refusal::Paid),
            OrderStatus::Refunded => return Err(Refusal::Refunded),
        }
    }
    Ok(signed(
        &ctx,
        [
            ("return_code", json!(1)),
            ("return_msg", json!("SUCCESS")),
            ("payjs_order_id", json!(params["payjs_order_id"])),
        ],
    ))
}

/// Refunds an order. A repeat is answered with `refund` 1 and no signature, as PayJS does.
async fn refund(State(ctx): State<Shared>, Fields(params): Fields) -> Result<Json<Value>, Refusal> {
    rules::check(&ctx.options, OF_ORDER, &params)?;
    let (order, repeated) = {
        let mut books = ctx.books();
        let order = books.order_mut(&params["payjs_order_id"])?;
        let before = order.status;
        match before {
            OrderStatus::Created => return Err(Refusal::Unpaid),
            OrderStatus::Closed => return Err(Refusal::Closed),
            OrderStatus::Paid | OrderStatus::Refunded => order.status = OrderStatus::Refunded,
        }
        (order.clone(), before == OrderStatus::Refunded)
    };
    let reply = [
        ("return_code", json!(1)),
        ("return_msg", json!("SUCCESS")),
        ("payjs_order_id", json!(order.payjs_order_id)),
        ("out_trade_no", json!(order.out_trade_no)),
        ("transaction_id", json!(order.transaction_id)),
    ];
    if repeated {
        let unsigned = reply.into_iter().chain([("refund", json!(1))]);
        return Ok(Json(object(unsigned)));
    }
    Ok(signed(&ctx, reply))
}

/// A reply with the signature over all its fields, or an invalid one if the knob is set.
fn signed(ctx: &Context, fields: impl IntoIterator<Item = (&'static str, Value)>) -> Json<Value> {
    let fields: Vec<_> = fields.into_iter().collect();
    let params: Params = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), text(value)))
        .collect();
    let signature = match ctx.books().knobs.refuse {
        Refuse::WrongSign => "0".repeat(32),
        _ => sign::sign(&params, &ctx.options.key),
    };
    Json(object(fields.into_iter().chain([(SIGN, json!(signature))])))
}

fn object(fields: impl Iterator<Item = (&'static str, Value)>) -> Value {
    let fields: Map<String, Value> = fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Value::Object(fields)
}

/// A value as it is signed: a number like its text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
