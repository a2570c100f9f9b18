//! How a worker handles one event, effect by effect: `promote.rs`, `confirm.rs` and the queue's scripts.

use super::{
    scenario::{Flaw, Scenario},
    state::{Cause, Entry, Order, Outcome, Reason, State, Step},
};

/// Does the next effect and returns the step after it, or none when the event is finished.
pub(crate) fn proceed(
    scenario: &Scenario,
    state: &mut State,
    entry: Entry,
    step: Step,
) -> Option<Step> {
    let order = entry.order;
    let next = match step {
        Step::Claimed { poisonous: true } => Step::Decided(Outcome::Dead(Reason::Poison)),
        Step::Claimed { poisonous: false } => Step::Waiting,
        Step::Waiting if entry.cause == Cause::Confirm => before_asking(scenario, state, entry),
        Step::Waiting => read_order(state, order),
        Step::Asking => ask(state, entry),
        Step::Answered if scenario.has(Flaw::EndsConfirmsFirst) => {
            settle(scenario, state, entry, Outcome::Nothing);
            Step::Half(Outcome::Nothing)
        }
        Step::Answered => {
            answer(scenario, state, entry);
            Step::Decided(Outcome::Nothing)
        }
        Step::Ordered => {
            let earlier = state.code(order);
            if earlier.is_none() {
                state.codes.push((order, entry.payment));
            }
            Step::Coded(earlier.unwrap_or(entry.payment))
        }
        Step::Coded(by) if scenario.has(Flaw::SettlesBeforeMapping) => {
            settle(scenario, state, entry, promoted_by(by, entry));
            Step::Half(promoted_by(by, entry))
        }
        Step::Coded(by) => {
            map(state, order, by);
            Step::Decided(promoted_by(by, entry))
        }
        Step::Orderless => Step::Decided(match state.mapping(order) {
            Some(by) => promoted_by(by, entry),
            None if entry.missing => Outcome::Dead(Reason::OrderMissing),
            None => Outcome::Retry(Entry {
                missing: true,
                ..entry
            }),
        }),
        Step::Decided(outcome) => return settle(scenario, state, entry, outcome),
        Step::Half(outcome) => {
            the_other_half(scenario, state, order, entry, outcome);
            return None;
        }
    };
    Some(next)
}

/// The next step when a call got no answer.
pub(crate) fn try_again(scenario: &Scenario, entry: Entry, step: Step) -> Step {
    Step::Decided(Outcome::Retry(Entry {
        refused: entry.refused || scenario.has(Flaw::CountsOutagesAsRefusals),
        paid_checks: entry.paid_checks || step == Step::Answered,
        ..entry
    }))
}

/// The next step when PayJS refuses a `check`, unless an earlier one said paid.
pub(crate) fn refuse(entry: Entry) -> Step {
    Step::Decided(if entry.refused && !entry.paid_checks {
        Outcome::Nothing
    } else {
        Outcome::Retry(Entry {
            refused: true,
            ..entry
        })
    })
}

fn before_asking(scenario: &Scenario, state: &State, entry: Entry) -> Step {
    match state.mapping(entry.order) {
        Some(by) if by == entry.payment || scenario.has(Flaw::TrustsAnyMapping) => {
            Step::Decided(Outcome::Promoted)
        }
        _ => Step::Asking,
    }
}

/// PayJS's answer becomes an event of the order that it names.
fn answer(scenario: &Scenario, state: &mut State, entry: Entry) {
    let order = if scenario.has(Flaw::PromotesWhatWasAsked) {
        entry.order
    } else {
        scenario.order_of(entry.payment)
    };
    state.queue(entry.payment, order, Cause::Report);
}

/// PayJS's `check`. An answer "paid" ends PayJS's notifies.
fn ask(state: &mut State, entry: Entry) -> Step {
    let payment = usize::from(entry.payment);
    if !state.paid[payment] {
        return Step::Decided(Outcome::Nothing);
    }
    state.acknowledged[payment] = true;
    state.notifies[payment] = 0;
    Step::Answered
}

fn read_order(state: &State, order: Order) -> Step {
    if state.orders[usize::from(order)] {
        Step::Ordered
    } else {
        Step::Orderless
    }
}

fn promoted_by(by: u8, entry: Entry) -> Outcome {
    if by == entry.payment {
        Outcome::Promoted
    } else {
        Outcome::Dead(Reason::PaidTwice)
    }
}

fn map(state: &mut State, order: Order, by: u8) {
    if state.mapping(order).is_none() {
        state.mappings.push((order, by));
    }
}

/// One transition out of the stream, as in `queue/settle.rs`. Returns what remains to be done.
pub(crate) fn settle(
    scenario: &Scenario,
    state: &mut State,
    entry: Entry,
    outcome: Outcome,
) -> Option<Step> {
    match outcome {
        Outcome::Promoted => {
            state.orders[usize::from(entry.order)] = false;
            state.take_out(entry);
        }
        Outcome::Nothing => {
            state.take_out(entry);
        }
        Outcome::Retry(parked) => {
            if state.take_out(entry) {
                if scenario.has(Flaw::ParksInTwoSteps) {
                    return Some(Step::Half(outcome));
                }
                state.retry.push(parked);
            }
        }
        Outcome::Dead(reason) if scenario.has(Flaw::BuriesInTwoSteps) => {
            bury(scenario, state, entry, reason);
            return Some(Step::Half(outcome));
        }
        Outcome::Dead(reason) => {
            if state.take_out(entry) {
                bury(scenario, state, entry, reason);
            }
        }
    }
    None
}

/// Adds a dead letter. A payment has at most one; that of a confirm does not count, since it reports no payment.
fn bury(scenario: &Scenario, state: &mut State, entry: Entry, reason: Reason) {
    let is_same = |(other, _): &(Entry, Reason)| {
        (other.cause, other.payment) == (Cause::Report, entry.payment)
    };
    let has_letter = entry.cause == Cause::Report && state.dead.iter().any(is_same);
    if !has_letter || scenario.has(Flaw::RepeatsLetters) {
        state.dead.push((entry, reason));
    }
}

/// The second half of a settlement that a flaw split.
fn the_other_half(
    scenario: &Scenario,
    state: &mut State,
    order: Order,
    entry: Entry,
    outcome: Outcome,
) {
    match outcome {
        Outcome::Retry(parked) => state.retry.push(parked),
        Outcome::Nothing => answer(scenario, state, entry),
        Outcome::Dead(Reason::Poison | Reason::OrderMissing) => {
            state.take_out(entry);
        }
        Outcome::Promoted | Outcome::Dead(Reason::PaidTwice) => {
            state.take_out(entry);
            if let Some(by) = state.code(order) {
                map(state, order, by);
            }
        }
    }
}
