//! Confirm events: PayJS is asked whether an order was paid.

use std::time::Duration;

use heyi_common::{
    failpoint::{self, Failpoint},
    gateway::payjs::{Check, PaidAnswer, PayJsError},
    order::OutTradeNo,
    queue::{DeadReason, Event, Outcome},
};

use tokio::time::sleep;

use crate::{Context, promote::TransientError, retry_delay::retry_delay};

/// How many refusals of PayJS are taken as temporary.
const MOST_REFUSALS: u32 = 4;

/// Asks PayJS. An answer that says paid ends PayJS's notifies, so it becomes an event of its own, which is as safe as a
/// notify, before the confirm is done. That event belongs to the order that the answer names, which need not be the
/// one that was asked about.
pub(crate) async fn confirm(
    context: &Context,
    event: &mut Event,
    out_trade_no: &OutTradeNo,
    payment_id: &str,
    has_turn: bool,
) -> Result<Outcome, TransientError> {
    let mapping = context.store.mapping(out_trade_no).await?;
    // Of another payment PayJS may have told us before, and will not again.
    if mapping.is_some_and(|mapping| mapping.payment_id == payment_id) {
        // Not nothing: a failover may have brought back both the event and its order.
        return Ok(Outcome::Promoted(out_trade_no.clone()));
    }
    if !has_turn || !may_ask(context).await? {
        let event = Event {
            attempt: event.attempt.saturating_add(1),
            ..event.clone()
        };
        return Ok(Outcome::Retry {
            event,
            delay: Duration::ZERO,
            error: "it waits for its turn to ask PayJS".to_owned(),
        });
    }
    match context.payjs.check(payment_id).await {
        Ok(Check::Unpaid) => unpaid(context, event).await,
        Ok(Check::Foreign(number)) => {
            tracing::warn!(
                order.out_trade_no = %out_trade_no,
                payment.id = payment_id,
                payment.out_trade_no = number,
                "a payer named a payment of another shop of the merchant"
            );
            unpaid(context, event).await
        }
        Ok(Check::Paid(answer)) => {
            event.paid_checks = event.paid_checks.saturating_add(1);
            enqueue(context, &answer).await
        }
        Err(PayJsError::Refused(words))
            if event.check_refusals >= MOST_REFUSALS && event.paid_checks == 0 =>
        {
            tracing::warn!(order.out_trade_no = %out_trade_no, error = words, "PayJS does not confirm");
            unpaid(context, event).await
        }
        Err(PayJsError::Refused(words)) => {
            let delay = retry_delay(event.check_refusals);
            let event = Event {
                attempt: event.attempt.saturating_add(1),
                check_refusals: event.check_refusals.saturating_add(1),
                ..event.clone()
            };
            Ok(Outcome::Retry {
                event,
                delay,
                error: format!("PayJS refused: {words}"),
            })
        }
        Err(error @ PayJsError::Unreadable(_)) => Ok(Outcome::Dead {
            reason: DeadReason::Poison,
            error: error.to_string(),
        }),
        Err(error) => Err(TransientError::PayJs(error)),
    }
}

/// Whether PayJS may be asked now. Confirms of several seconds arrive together when they had to wait behind notifies, so this
/// waits for one more turn.
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

/// Makes an event of the answer that an order was paid.
async fn enqueue(context: &Context, answer: &PaidAnswer) -> Result<Outcome, TransientError> {
    failpoint::reach(Failpoint::ConfirmChecked);
    let queued = context
        .queue
        .enqueue_answer(&answer.out_trade_no, answer.form());
    queued.await.map_err(TransientError::Queue)?;
    failpoint::reach(Failpoint::ConfirmAnswered);
    tracing::info!(
        order.out_trade_no = %answer.out_trade_no,
        payment.id = answer.payjs_order_id,
        "PayJS confirmed a payment"
    );
    Ok(Outcome::Nothing)
}
