//! Notifies: reporting a payment to the merchant (PayJS's page `notify`).

use std::time::{Duration, Instant};

use futures::future::join_all;
use heyi_common::{
    form,
    sign::{self, Params, SIGN},
};
use jiff::Timestamp;
use reqwest::{StatusCode, header};

use crate::{
    clock,
    context::Shared,
    ledger::{Notify, Order, Series},
    options::Options,
    pseudonym,
};

/// When notifies are sent, counted from the payment. They end once one is answered with HTTP 200 or a `check` sees the
/// payment.
pub const SCHEDULE: [Duration; 6] = [
    Duration::from_secs(0),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(180),
    Duration::from_secs(1800),
    Duration::from_secs(3600),
];

/// PayJS's timeout for an answer. [`Options::notify_factor`] does not change it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends the notifies of an order that was just paid.
pub(super) async fn series(ctx: Shared, payjs_order_id: String) {
    let paid = tokio::time::Instant::now() + ctx.books().knobs_of(&payjs_order_id).notify_delay();
    let outcome = deliver(&ctx, &payjs_order_id, paid).await;
    if let Ok(order) = ctx.books().order_mut(&payjs_order_id)
        && order.series == Series::Running
    {
        order.series = outcome;
    }
}

async fn deliver(ctx: &Shared, payjs_order_id: &str, paid: tokio::time::Instant) -> Series {
    let mut repeats = None;
    for (attempt, after) in (1..).zip(SCHEDULE) {
        tokio::time::sleep_until(paid + after.mul_f64(ctx.options.notify_factor)).await;
        let (order, knobs) = {
            let books = ctx.books();
            match books.order(payjs_order_id) {
                Ok(order) if order.series == Series::Running => {
                    (order.clone(), books.knobs_of(payjs_order_id).clone())
                }
                _ => return Series::SeenByCheck,
            }
        };
        if attempt <= knobs.lose_notifies {
            ctx.books().notifies.push(Notify::lost(&order, attempt));
            continue;
        }
        let body = body(&ctx.options, &order, knobs.notify_fee);
        let copies = (0..knobs.notify_copies).map(|_| send(ctx, &order, attempt, body.clone()));
        let delivered = join_all(copies).await.contains(&true);
        repeats = match repeats {
            None => delivered.then_some(knobs.notify_repeats),
            Some(left) => Some(left - 1),
        };
        if repeats == Some(0) {
            break;
        }
    }
    repeats.map_or(Series::GivenUp, |_| Series::Delivered)
}

/// The signed form.
fn body(options: &Options, order: &Order, fee: Option<u64>) -> String {
    let paid_at = order.paid_at.unwrap_or(order.created_at);
    let fields = [
        ("return_code", Some("1".to_owned())),
        (
            "total_fee",
            Some(fee.unwrap_or(order.total_fee).to_string()),
        ),
        ("out_trade_no", Some(order.out_trade_no.clone())),
        ("payjs_order_id", Some(order.payjs_order_id.clone())),
        ("transaction_id", order.transaction_id.clone()),
        ("time_end", Some(clock::readable(paid_at))),
        ("openid", Some(pseudonym::openid(&order.out_trade_no))),
        ("attach", order.attach.clone()),
        ("mchid", Some(options.mchid.clone())),
        ("type", order.kind.clone()),
    ];
    let mut params: Params = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    params.insert(SIGN.to_owned(), sign::sign(&params, &options.key));
    form::write(&params)
}

/// Sends one notify, records it, and returns whether it was acknowledged.
async fn send(ctx: &Shared, order: &Order, attempt: u32, body: String) -> bool {
    let at = Timestamp::now();
    let started = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, post(ctx, order, body)).await;
    let (status, error) = match answer {
        Ok(Ok(status)) => (Some(status), None),
        Ok(Err(error)) => (None, Some(format!("{error:#}"))),
        Err(_) => (None, Some("no answer within 3 s".to_owned())),
    };
    let acknowledged = status == Some(StatusCode::OK);
    ctx.books().notifies.push(Notify {
        payjs_order_id: order.payjs_order_id.clone(),
        attempt,
        at,
        status: status.map(|status| status.as_u16()),
        error,
        duration_ms: started.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        acknowledged,
        lost: false,
    });
    acknowledged
}

async fn post(ctx: &Shared, order: &Order, body: String) -> anyhow::Result<StatusCode> {
    let url = order.notify_url.clone().unwrap_or_default();
    let response = ctx
        .http
        .post(url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await?;
    let status = response.status();
    // Only a complete answer counts. Reading it also lets the connection be reused.
    response.bytes().await?;
    Ok(status)
}

impl Notify {
    fn lost(order: &Order, attempt: u32) -> Self {
        Self {
            payjs_order_id: order.payjs_order_id.clone(),
            attempt,
            at: Timestamp::now(),
            status: None,
            error: None,
            duration_ms: 0,
            acknowledged: false,
            lost: true,
        }
    }
}
