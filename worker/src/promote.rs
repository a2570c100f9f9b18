//! Promotion: a paid order becomes a code.
//!
//! The code's id was chosen with the order, so these are the same writes whoever makes them and however often.
//! The code is the first of them and decides which payment it belongs to.

use std::fmt::Write as _;

use heyi_common::{
    cache::CacheError,
    crash::{self, Point},
    form::Form,
    order::{Fee, Order, OutTradeNo},
    payjs::{Notify, NotifyError, PayJsError},
    queue::{DeadReason, Event, Outcome},
    sign,
    store::{Code, Payment, StoreError},
};

use crate::{
    Context,
    retry_delay::{retry_delay, waited_for},
};

/// Something is out of reach; the event is tried again for as long as it takes.
#[derive(Debug)]
pub enum Trouble {
    /// MongoDB.
    Store(StoreError),
    /// Redis.
    Redis(redis::RedisError),
    /// Redis, as the order cache says it.
    Orders(CacheError),
    /// PayJS.
    PayJs(PayJsError),
}

impl Trouble {
    /// Whether MongoDB itself is out of reach, so that no other event would get further.
    pub(crate) fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Store(StoreError::Mongo(_) | StoreError::Slow))
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let error: &dyn std::error::Error = match self {
            Self::Store(error) => error,
            Self::Redis(error) => error,
            Self::Orders(error) => error,
            Self::PayJs(error) => error,
        };
        write!(f, "{error}")?;
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<redis::RedisError> for Trouble {
    fn from(error: redis::RedisError) -> Self {
        Self::Redis(error)
    }
}

/// Promotes what a notify reports as paid.
pub(crate) async fn notify(
    context: &Context,
    event: &Event,
    body: &str,
) -> Result<Outcome, Trouble> {
    let notify = match Notify::parse(body.as_bytes(), &context.merchant.mchid) {
        Ok(notify) => notify,
        Err(NotifyError::Merchant) if is_signed(context, body) => {
            return Ok(dead(
                DeadReason::Mismatch,
                "the notify is for another merchant",
            ));
        }
        Err(error) => {
            return Ok(Outcome::Rejected {
                error: error.to_string(),
            });
        }
    };
    if !notify.is_signed(&context.merchant.key) {
        return Ok(Outcome::Rejected {
            error: "the signature is false".to_owned(),
        });
    }
    let payment = Payment {
        payjs_order_id: notify.payjs_order_id,
        transaction_id: notify.transaction_id,
        paid_at: notify.time_end,
    };
    paid(
        context,
        event,
        &notify.out_trade_no,
        notify.total_fee,
        &payment,
    )
    .await
}

/// Promotes an order of which PayJS itself said, signed, that it was paid.
pub(crate) async fn paid(
    context: &Context,
    event: &Event,
    out_trade_no: &OutTradeNo,
    total_fee: Fee,
    payment: &Payment,
) -> Result<Outcome, Trouble> {
    let order = match context.orders.get(out_trade_no).await {
        Ok(order) => order,
        Err(CacheError::Broken(error)) => {
            return Ok(dead(
                DeadReason::Poison,
                &format!("the stored order cannot be read: {error}"),
            ));
        }
        Err(error) => return Err(Trouble::Orders(error)),
    };
    match order {
        Some(order) if mismatch(context, &order, total_fee).is_none() => {
            write(context, &order, payment).await
        }
        other => {
            if let Some(mapping) = context.store.mapping(out_trade_no).await? {
                return Ok(repeat(out_trade_no, &mapping.payjs_order_id, payment));
            }
            match other.and_then(|order| mismatch(context, &order, total_fee)) {
                Some(difference) => Ok(dead(DeadReason::Mismatch, &difference)),
                None => Ok(missing(context, event)),
            }
        }
    }
}

async fn write(context: &Context, order: &Order, payment: &Payment) -> Result<Outcome, Trouble> {
    let code = Code::new(order, payment);
    let code = context.store.insert_code(&code).await?.unwrap_or(code);
    crash::point(Point::CodeWritten);
    context.store.insert_mapping(&code.mapping()).await?;
    Ok(repeat(&order.out_trade_no, &code.payjs_order_id, payment))
}

/// The order has its code. From this payment, or from another?
fn repeat(out_trade_no: &OutTradeNo, promoted_by: &str, payment: &Payment) -> Outcome {
    if promoted_by == payment.payjs_order_id {
        return Outcome::Promoted(out_trade_no.clone());
    }
    let error = format!(
        "the order was promoted by payment {promoted_by}; payment {} is a second one, refund it",
        payment.payjs_order_id
    );
    dead(DeadReason::PaidTwice, &error)
}

/// What differs between the order and what was paid.
fn mismatch(context: &Context, order: &Order, paid: Fee) -> Option<String> {
    let mut differences = String::new();
    if order.total_fee != paid {
        // Writing to a String cannot fail.
        let _ = write!(
            differences,
            "the order costs {} fen, {paid} fen were paid. ",
            order.total_fee
        );
    }
    let merchant = order.params.get("mchid");
    if merchant != Some(&context.merchant.mchid) {
        differences.push_str("the order is of another merchant. ");
    }
    (!differences.is_empty()).then_some(differences.trim_end().to_owned())
}

/// Paid, but there is no such order: it may come into sight yet, for instance after a failover. The time is that
/// between looks, so that an outage, after which that is likeliest, does not use it up.
fn missing(context: &Context, event: &Event) -> Outcome {
    let error = "there is neither an order nor a code of this number";
    if waited_for(event.looks, context.settings.missing_for) {
        return dead(
            DeadReason::OrderMissing,
            &format!("{error}; refund the payment"),
        );
    }
    let delay = retry_delay(event.looks).min(context.settings.missing_for);
    let event = Event {
        attempt: event.attempt.saturating_add(1),
        looks: event.looks.saturating_add(1),
        ..event.clone()
    };
    Outcome::Retry {
        event,
        delay,
        error: error.to_owned(),
    }
}

fn is_signed(context: &Context, body: &str) -> bool {
    Form::parse(body.as_bytes()).is_ok_and(|form| sign::verify(&form, &context.merchant.key))
}

pub(crate) fn dead(reason: DeadReason, error: &str) -> Outcome {
    Outcome::Dead {
        reason,
        error: error.to_owned(),
    }
}
