//! Confirm events: PayJS is asked whether an order was paid.

use std::time::Duration;

use heyi_common::{
    backoff::jitter,
    crash::{self, Point},
    order::OutTradeNo,
    payjs::{Check, PayJsError},
    queue::{Event, Outcome},
    store::Payment,
};

use crate::{
    Context,
    promote::{self, Trouble},
    retry_delay::retry_delay,
};

/// At most one question to PayJS in this time, over all workers: PayJS blocks those who poll.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often a refusal is taken for a passing one.
const MOST_REFUSALS: u32 = 4;

/// Asks PayJS and promotes the order that its answer names. An answer that says paid ends PayJS's notifies, so
/// the event is only done when the promotion is, and carries along that there was one.
pub(crate) async fn confirm(
    context: &Context,
    event: &mut Event,
    out_trade_no: &OutTradeNo,
    payjs_order_id: &str,
) -> Result<Outcome, Trouble> {
    let mapping = context.store.mapping(out_trade_no).await?;
    // Of another payment PayJS may have told us before, and will not again.
    if mapping.is_some_and(|mapping| mapping.payjs_order_id == payjs_order_id) {
        // Not nothing: a failover may have brought back both the event and its order.
        return Ok(Outcome::Promoted(out_trade_no.clone()));
    }
    if !is_my_turn(context).await? {
        let delay = jitter(CHECK_EVERY);
        let error = "PayJS was asked a moment ago".to_owned();
        return Ok(Outcome::Retry {
            event: event.clone(),
            delay,
            error,
        });
    }
    crash::point(Point::ConfirmTurn);
    match context.payjs.check(payjs_order_id).await {
        Ok(Check::Unpaid) => Ok(Outcome::Nothing),
        Ok(Check::Paid {
            out_trade_no: paid,
            payjs_order_id,
            transaction_id,
            total_fee,
            paid_time,
        }) => {
            crash::point(Point::ConfirmChecked);
            event.told = event.told.saturating_add(1);
            let payment = Payment {
                payjs_order_id,
                transaction_id,
                paid_at: paid_time,
            };
            let outcome = promote::paid(context, event, &paid, total_fee, &payment).await?;
            forget_elsewhere(context, out_trade_no, &paid, &outcome).await?;
            Ok(outcome)
        }
        Err(PayJsError::Refused(words)) if event.refusals >= MOST_REFUSALS && event.told == 0 => {
            tracing::warn!(order.out_trade_no = %out_trade_no, error = words, "PayJS does not confirm");
            Ok(Outcome::Nothing)
        }
        Err(PayJsError::Refused(words)) => {
            let delay = retry_delay(event.refusals);
            let event = Event {
                attempt: event.attempt.saturating_add(1),
                refusals: event.refusals.saturating_add(1),
                ..event.clone()
            };
            Ok(Outcome::Retry {
                event,
                delay,
                error: format!("PayJS refused: {words}"),
            })
        }
        Err(error) => Err(Trouble::PayJs(error)),
    }
}

async fn is_my_turn(context: &Context) -> Result<bool, Trouble> {
    let taken: Option<String> = redis::cmd("SET")
        .arg(context.queue.keys().check())
        .arg(1)
        .arg("NX")
        .arg("PX")
        .arg(CHECK_EVERY.as_millis().to_string())
        .query_async(&mut context.queue.redis().shared())
        .await?;
    Ok(taken.is_some())
}

/// An order of another partition than the event's is outside of the event's last transition.
async fn forget_elsewhere(
    context: &Context,
    asked: &OutTradeNo,
    paid: &OutTradeNo,
    outcome: &Outcome,
) -> Result<(), Trouble> {
    let keys = context.queue.keys();
    if keys.partition(asked) != keys.partition(paid) && matches!(outcome, Outcome::Promoted(_)) {
        crash::point(Point::ConfirmPromoted);
        let mut redis = context.queue.redis().shared();
        for key in [keys.order(paid), keys.failed(paid)] {
            redis::cmd("DEL").arg(key).exec_async(&mut redis).await?;
        }
    }
    Ok(())
}
