//! Promotion: a paid order becomes a code.
//!
//! The code's id is generated with the order, so the writes are idempotent across workers and retries. The code is
//! written first; it decides which payment the order belongs to.

use std::fmt::Write as _;

use heyi_common::{
    failpoint::{self, Failpoint},
    gateway::{GatewayError, Merchant, NotifyError, Payment},
    order::{Order, OutTradeNo},
    outage,
    pending_orders::PendingOrderError,
    queue::{DeadReason, Event, Outcome},
    redis::WriteError,
    store::{Code, Existing, StoreError},
};

use crate::{
    Context, blocks,
    retry_delay::{retry_delay, waited_for},
};

/// A store or the gateway did not answer; the event is retried until it does.
#[derive(Debug, thiserror::Error)]
pub enum TransientError {
    /// MongoDB.
    #[error("{}", outage::causes(.0))]
    Store(#[from] StoreError),
    /// Redis.
    #[error("{}", outage::causes(.0))]
    Redis(#[from] redis::RedisError),
    /// Redis, reported by the pending orders.
    #[error("{}", outage::causes(.0))]
    PendingOrders(#[source] PendingOrderError),
    /// Redis, which did not accept an event.
    #[error("{}", outage::causes(.0))]
    Queue(#[source] WriteError),
    /// The gateway.
    #[error("{}", outage::causes(.0))]
    Gateway(#[source] GatewayError),
}

impl TransientError {
    /// Whether MongoDB is unavailable, so that retrying other events is pointless.
    pub(crate) fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_of_the_server())
    }
}

/// Promotes a payment that a gateway reported, by a notify or an answer.
pub(crate) async fn reported(
    context: &Context,
    event: &Event,
    payment: Result<Payment, NotifyError>,
) -> Result<Outcome, TransientError> {
    match payment {
        Ok(payment) => settle(context, event, &payment).await,
        // The signature is valid, so the payment is real.
        Err(error @ NotifyError::OtherMerchant) => {
            Ok(dead(DeadReason::Mismatch, &error.to_string()))
        }
        Err(error) => Ok(Outcome::Rejected {
            error: error.to_string(),
        }),
    }
}

/// Promotes a paid order. Makes no second dead letter for a payment that has one or was refunded.
async fn settle(
    context: &Context,
    event: &Event,
    paid: &Payment,
) -> Result<Outcome, TransientError> {
    let outcome = unreadable_is_dead(promote(context, event, paid).await)?;
    if !matches!(outcome, Outcome::Dead { .. }) {
        return Ok(outcome);
    }
    let reference = paid.reference();
    let is_refunded = context.store.refund(&reference).await?.is_some();
    if is_refunded || context.queue.has_letter(&reference).await? {
        tracing::debug!(
            payment.id = reference.payment_id,
            "the payment was refunded or has a dead letter"
        );
        return Ok(Outcome::Nothing);
    }
    Ok(outcome)
}

/// Makes a dead letter if a document cannot be decoded: only a person can repair it.
pub(crate) fn unreadable_is_dead(
    decided: Result<Outcome, TransientError>,
) -> Result<Outcome, TransientError> {
    match decided {
        Err(TransientError::Store(error)) if error.is_unreadable() => {
            Ok(dead(DeadReason::Poison, &error.to_string()))
        }
        decided => decided,
    }
}

async fn promote(
    context: &Context,
    event: &Event,
    paid: &Payment,
) -> Result<Outcome, TransientError> {
    let out_trade_no = &paid.out_trade_no;
    let order = match context.orders.get(out_trade_no).await {
        Ok(order) => order,
        Err(PendingOrderError::Broken(error)) => {
            return Ok(dead(
                DeadReason::Poison,
                &format!("the stored order cannot be read: {error}"),
            ));
        }
        Err(error) => return Err(TransientError::PendingOrders(error)),
    };
    match order {
        Some(order) if mismatch(context, &order, paid).is_none() => {
            write(context, &order, paid).await
        }
        other => {
            if let Some(mapping) = context.store.mapping(out_trade_no).await? {
                return Ok(repeat(out_trade_no, &mapping.payment_id, paid));
            }
            match other.and_then(|order| mismatch(context, &order, paid)) {
                Some(difference) => Ok(dead(DeadReason::Mismatch, &difference)),
                None => Ok(missing(context, event)),
            }
        }
    }
}

async fn write(
    context: &Context,
    order: &Order,
    payment: &Payment,
) -> Result<Outcome, TransientError> {
    let code = Code::new(order, payment);
    let code = match context.store.insert_code(&code).await? {
        None => code,
        Some(Existing::Code(earlier)) => *earlier,
        Some(Existing::Refund { payment_id }) => {
            return Ok(refunded(&payment_id, payment));
        }
    };
    failpoint::reach(Failpoint::CodeWritten);
    blocks::apply_mark(context, &order.openid).await;
    context.store.insert_mapping(&code.mapping()).await?;
    Ok(repeat(&order.out_trade_no, &code.payment_id, payment))
}

/// The outcome for an order that has a code, from this payment or from another.
fn repeat(out_trade_no: &OutTradeNo, promoted_by: &str, payment: &Payment) -> Outcome {
    if promoted_by == payment.payment_id {
        return Outcome::Promoted(out_trade_no.clone());
    }
    let error = format!(
        "the order was promoted by payment {promoted_by}; payment {} is a second one, refund it",
        payment.payment_id
    );
    dead(DeadReason::PaidTwice, &error)
}

/// The outcome for an order whose payment was refunded or is being refunded.
fn refunded(by: &str, payment: &Payment) -> Outcome {
    if by == payment.payment_id {
        let error = "a refund of this payment was begun; finish it with `heyi-worker dead refund`";
        return dead(DeadReason::OrderMissing, error);
    }
    let error = format!(
        "payment {by} of the order was refunded; payment {} is a second one, refund it",
        payment.payment_id
    );
    dead(DeadReason::PaidTwice, &error)
}

/// The differences between the order and the payment.
fn mismatch(context: &Context, order: &Order, paid: &Payment) -> Option<String> {
    let mut differences = String::new();
    if order.total_fee != paid.total_fee {
        // Writing to a String cannot fail.
        let _ = write!(
            differences,
            "the order costs {} fen, {} fen were paid. ",
            order.total_fee, paid.total_fee
        );
    }
    if order.merchant != context.gateways.merchant(paid.gateway) {
        let Merchant { gateway, merchant } = &order.merchant;
        let _ = write!(
            differences,
            "the order is of merchant {merchant} of {gateway}. "
        );
    }
    (!differences.is_empty()).then_some(differences.trim_end().to_owned())
}

/// Paid, but the order does not exist. It may appear later, for example after a failover. Only the delays between
/// lookups count towards the limit, so an outage does not use it up.
fn missing(context: &Context, event: &Event) -> Outcome {
    let error = "there is neither an order nor a code of this number";
    if waited_for(event.order_lookups, context.settings.missing_for) {
        return dead(
            DeadReason::OrderMissing,
            &format!("{error}; refund the payment"),
        );
    }
    let delay = retry_delay(event.order_lookups).min(context.settings.missing_for);
    let event = Event {
        order_lookups: event.order_lookups.saturating_add(1),
        ..event.clone()
    };
    Outcome::retry(&event, delay, error)
}

pub(crate) fn dead(reason: DeadReason, error: &str) -> Outcome {
    Outcome::Dead {
        reason,
        error: error.to_owned(),
    }
}
