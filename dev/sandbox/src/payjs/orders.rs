//! Creating and paying orders.

use std::sync::Arc;

use heyi_common::sign::Params;
use jiff::Timestamp;
use url::Url;

use super::{
    notify,
    rules::{self, Rule},
};
use crate::{
    clock,
    context::{Books, Shared},
    ledger::{Order, OrderStatus, Series},
    refusal::Refusal,
};

/// The largest amount of an order, in fen.
const DEAREST: u64 = 1_000_000;

/// Creates an order, as the mini-program does when it opens.
pub(crate) fn open(ctx: &Shared, extra_data: &Params) -> Result<String, Refusal> {
    make(ctx, rules::MINI_PROGRAM, extra_data).map(|order| order.payjs_order_id)
}

/// Pays an order, immediately or after the knob's delay.
pub(crate) fn pay(ctx: &Shared, payjs_order_id: &str) -> Result<(), Refusal> {
    let delay = {
        let books = ctx.books();
        payable(books.order(payjs_order_id)?)?;
        books.knobs_of(payjs_order_id).pay_delay()
    };
    if delay.is_zero() {
        return settle(ctx, payjs_order_id);
    }
    let (late, id) = (Arc::clone(ctx), payjs_order_id.to_owned());
    ctx.spawn(async move {
        tokio::time::sleep(delay).await;
        if let Err(refusal) = settle(&late, &id) {
            tracing::info!(order.payjs_order_id = id, %refusal, "late payment came to nothing");
        }
    });
    Ok(())
}

/// Creates an order from parameters that satisfy `rules`.
pub(super) fn make(ctx: &Shared, rules: &[Rule], params: &Params) -> Result<Order, Refusal> {
    rules::check(&ctx.options, rules, params)?;
    let text = |name: &str| params.get(name).cloned();
    let total_fee = fee(params.get("total_fee").ok_or(Refusal::Fee)?)?;
    if params.get("notify_url").is_some_and(|url| !notifiable(url)) {
        return Err(Refusal::NotifyUrl);
    }
    let mut books = ctx.books();
    let out_trade_no = text("out_trade_no").ok_or(Refusal::Missing("out_trade_no"))?;
    if books.paid.contains(&out_trade_no) {
        return Err(Refusal::Used);
    }
    let created_at = Timestamp::now();
    let order = Order {
        payjs_order_id: next_number(&mut books, created_at),
        out_trade_no,
        total_fee,
        body: text("body"),
        attach: text("attach"),
        notify_url: text("notify_url"),
        callback_url: text("callback_url"),
        kind: text("type"),
        status: OrderStatus::Created,
        created_at,
        transaction_id: None,
        paid_at: None,
        series: Series::None,
    };
    books
        .orders
        .insert(order.payjs_order_id.clone(), order.clone());
    Ok(order)
}

fn settle(ctx: &Shared, payjs_order_id: &str) -> Result<(), Refusal> {
    let mut paid = Vec::new();
    {
        let mut books = ctx.books();
        paid.push(mark_paid(&mut books, payjs_order_id)?);
        if books.knobs_of(payjs_order_id).pay_twice {
            let mut second = books.order(payjs_order_id)?.clone();
            second.payjs_order_id = next_number(&mut books, Timestamp::now());
            second.status = OrderStatus::Created;
            let id = second.payjs_order_id.clone();
            books.orders.insert(id.clone(), second);
            paid.push(mark_paid(&mut books, &id)?);
        }
    }
    for order in paid {
        if order.series == Series::Running {
            ctx.spawn(notify::series(Arc::clone(ctx), order.payjs_order_id));
        }
    }
    Ok(())
}

fn mark_paid(books: &mut Books, payjs_order_id: &str) -> Result<Order, Refusal> {
    let paid_at = Timestamp::now();
    let order = books.order_mut(payjs_order_id)?;
    payable(order)?;
    order.status = OrderStatus::Paid;
    order.paid_at = Some(paid_at);
    // As WeChat's: 28 digits, the day in the middle.
    order.transaction_id = Some(format!(
        "4200000000{}{}",
        &clock::digits(paid_at)[..8],
        &payjs_order_id[15..]
    ));
    if order.notify_url.is_some() {
        order.series = Series::Running;
    }
    let order = order.clone();
    books.paid.insert(order.out_trade_no.clone());
    Ok(order)
}

fn payable(order: &Order) -> Result<(), Refusal> {
    match order.status {
        OrderStatus::Created => Ok(()),
        OrderStatus::Paid => Err(Refusal::Paid),
        OrderStatus::Closed => Err(Refusal::Closed),
        OrderStatus::Refunded => Err(Refusal::Refunded),
    }
}

/// 25 digits that grow.
fn next_number(books: &mut Books, at: Timestamp) -> String {
    books.serial = (books.serial + 1) % 100_000_000_000;
    format!("{}{:011}", clock::digits(at), books.serial)
}

fn fee(text: &str) -> Result<u64, Refusal> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse() {
        Ok(fee) if plain && (1..=DEAREST).contains(&fee) => Ok(fee),
        _ => Err(Refusal::Fee),
    }
}

fn notifiable(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}
