//! Decides the outcome of an event and logs one line.

use std::time::Instant;

use apalis::prelude::{BoxDynError, Data};
use heyi_common::{
    failpoint::{self, Failpoint},
    outage,
    queue::{Cause, Delivery, Event, Outcome},
};

use crate::{
    Context,
    admission_gate::AdmissionGate,
    confirm,
    promote::{self, TransientError},
    retry_delay::retry_delay,
};

/// The data of [`handle`] besides the event.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) context: Context,
    pub(crate) gate: AdmissionGate,
}

/// The handler of the apalis worker.
pub(crate) async fn handle(
    mut delivery: Delivery,
    handler: Data<Handler>,
) -> Result<Outcome, BoxDynError> {
    let started = Instant::now();
    let event = &mut delivery.event;
    failpoint::reach_of(Failpoint::HandleBefore, || event.out_trade_no());
    let outcome = match decide(&handler.context, event).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let why = error.to_string();
            if error.is_of_the_store() {
                handler.gate.close(&why);
            }
            outage::report_explained("cannot handle an event, trying again", &error, &why);
            try_again(event, &why)
        }
    };
    metrics::histogram!("heyi_event_seconds").record(started.elapsed());
    log(&delivery, &outcome);
    Ok(outcome)
}

/// Decides the outcome of an event. An error means that a store or a gateway did not answer. `event` keeps the progress
/// made before the error.
pub async fn decide(context: &Context, event: &mut Event) -> Result<Outcome, TransientError> {
    match &event.cause {
        Cause::Notify { gateway, body } => {
            let payment = context.gateways.read_notify(*gateway, body.as_bytes());
            promote::reported(context, event, payment).await
        }
        Cause::Answer { gateway, body } => {
            let payment = context.gateways.read_answer(*gateway, body);
            promote::reported(context, event, payment).await
        }
        Cause::Confirm {
            payment, has_turn, ..
        } => {
            let (payment, has_turn) = (payment.clone(), *has_turn);
            let confirmed = confirm::confirm(context, event, &payment, has_turn).await;
            promote::unreadable_is_dead(confirmed)
        }
    }
}

/// The outcome after a failure of the handler itself: it timed out, so retry.
pub(crate) fn after_failure(delivery: &Delivery, error: &BoxDynError) -> Outcome {
    let outcome = try_again(
        &delivery.event,
        &format!("the handler did not finish: {error}"),
    );
    log(delivery, &outcome);
    outcome
}

fn try_again(event: &Event, error: &str) -> Outcome {
    Outcome::retry(event, retry_delay(event.attempt), error)
}

/// A line with the field `outcome` concerns one payment and is always logged.
fn log(delivery: &Delivery, outcome: &Outcome) {
    // Parses the form again, so only if the outcome does not have the number.
    let number = || {
        let number = delivery.event.out_trade_no();
        number.map(String::from).unwrap_or_default()
    };
    let (id, attempt) = (&delivery.id, delivery.event.attempt);
    match outcome {
        Outcome::Promoted(promoted) => tracing::info!(
            event.id = id,
            event.attempt = attempt,
            order.out_trade_no = promoted.as_str(),
            "promoted"
        ),
        Outcome::Nothing => tracing::info!(
            event.id = id,
            order.out_trade_no = number(),
            "nothing to promote"
        ),
        Outcome::Retry { delay, error, .. } => tracing::warn!(
            event.id = id,
            event.attempt = attempt,
            order.out_trade_no = number(),
            error,
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            "to be tried again"
        ),
        Outcome::Dead { reason, error } => tracing::error!(
            outcome = outcome.name(),
            event.id = id,
            event.attempt = attempt,
            order.out_trade_no = number(),
            %reason,
            error,
            "dead letter"
        ),
        Outcome::Rejected { error } => tracing::error!(
            outcome = outcome.name(),
            event.id = id,
            order.out_trade_no = number(),
            error,
            "rejected"
        ),
    }
}
