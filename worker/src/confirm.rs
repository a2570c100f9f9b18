//! Confirm events: the worker asks the gateway whether an order was paid.

use std::time::Duration;

use heyi_common::{
    failpoint::{self, Failpoint},
    gateway::{Answer, GatewayError, PaymentRef, Status},
    outage,
    queue::{DeadReason, Event, Outcome},
};
use tokio::time::sleep;

use crate::{
    Context,
    promote::{TransientError, dead},
    retry_delay::retry_delay,
};

/// Number of the gateway's refusals that are treated as temporary.
const MOST_REFUSALS: u32 = 4;

/// Asks the gateway. After an answer that says paid, the gateway may stop its notifies. So the answer is enqueued as an
/// event, as durable as a notify, before the confirm is done. The event belongs to the order in the answer, which may
/// be a different order.
pub(crate) async fn confirm(
    context: &Context,
    event: &mut Event,
    payment: &PaymentRef,
    has_turn: bool,
) -> Result<Outcome, TransientError> {
    let out_trade_no = &payment.out_trade_no;
    let mapping = context.store.mapping(out_trade_no).await?;
    // The gateway may have reported another payment before, and will not report this one again.
    if mapping.is_some_and(|mapping| mapping.payment_id == payment.payment_id) {
        // Not `Nothing`: a failover may have restored both the event and its order.
        return Ok(Outcome::Promoted(out_trade_no.clone()));
    }
    if !has_turn || !may_ask(context).await? {
        let error = format!("it waits for its turn to ask {}", payment.gateway);
        return Ok(Outcome::retry(event, Duration::ZERO, error));
    }
    match context.gateways.query(payment).await {
        Ok(Status::Unpaid) => unpaid(context, event).await,
        Ok(Status::Foreign(number)) => {
            tracing::warn!(
                order.out_trade_no = %out_trade_no,
                payment.id = payment.payment_id,
                payment.out_trade_no = number,
                "a payer named a payment of another shop of the merchant"
            );
            unpaid(context, event).await
        }
        Ok(Status::Paid(answer)) => {
            event.paid_checks = event.paid_checks.saturating_add(1);
            enqueue(context, answer).await
        }
        Err(error @ GatewayError::Refused(..)) => {
            if event.check_refusals >= MOST_REFUSALS && event.paid_checks == 0 {
                tracing::warn!(order.out_trade_no = %out_trade_no, %error, "not confirmed");
                return unpaid(context, event).await;
            }
            let delay = retry_delay(event.check_refusals);
            event.check_refusals = event.check_refusals.saturating_add(1);
            Ok(Outcome::retry(event, delay, outage::causes(&error)))
        }
        Err(error @ GatewayError::Unreadable(..)) => {
            Ok(dead(DeadReason::Poison, &error.to_string()))
        }
        Err(error @ GatewayError::NoAnswer(..)) => Err(TransientError::Gateway(error)),
    }
}

/// Whether the rate limit allows a call to the gateway now. Confirms delayed behind notifies arrive in bursts, so this
/// waits once for the next permit.
async fn may_ask(context: &Context) -> Result<bool, TransientError> {
    let Some(left) = context.queue.take_question().await? else {
        return Ok(true);
    };
    sleep(left).await;
    Ok(context.queue.take_question().await?.is_none())
}

async fn unpaid(context: &Context, event: &Event) -> Result<Outcome, TransientError> {
    context.queue.let_expire(event).await?;
    Ok(Outcome::Nothing)
}

/// Enqueues the answer that an order was paid.
async fn enqueue(context: &Context, answer: Answer) -> Result<Outcome, TransientError> {
    failpoint::reach(Failpoint::ConfirmChecked);
    let payment = answer.payment.reference();
    let queued = context.queue.enqueue_answer(answer).await;
    queued.map_err(TransientError::Queue)?;
    failpoint::reach(Failpoint::ConfirmAnswered);
    tracing::info!(
        order.out_trade_no = %payment.out_trade_no,
        payment.gateway = payment.gateway.name(),
        payment.id = payment.payment_id,
        "the gateway confirmed a payment"
    );
    Ok(Outcome::Nothing)
}
