//! What a worker does with one event, effect by effect: `promote.rs`, `confirm.rs`, and the scripts of the queue.

use super::{
    scenario::{Flaw, Scenario},
    state::{Entry, Order, Outcome, Reason, State, Step},
};

/// Does the next effect and says what comes then; none when the event is done with.
pub(crate) fn proceed(
    scenario: &Scenario,
    state: &mut State,
    entry: Entry,
    step: Step,
) -> Option<Step> {
    let order = target(scenario, entry);
    let next = match step {
        Step::Claimed { poisonous: true } => Step::Decided(Outcome::Dead(Reason::Poison)),
        Step::Claimed { poisonous: false } => Step::Waiting,
        Step::Waiting => match entry.asked {
            Some(asked) => before_asking(scenario, state, entry, asked),
            None => read_order(state, order),
        },
        Step::Asking => ask(state, entry),
        Step::Paid => read_order(state, order),
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
            None => Outcome::Retry {
                missing: true,
                refused: entry.refused,
            },
        }),
        Step::Decided(outcome) => return settle(scenario, state, entry, outcome),
        Step::Half(outcome) => {
            the_other_half(state, order, entry, outcome);
            return None;
        }
    };
    Some(next)
}

/// What follows when something was out of reach.
pub(crate) fn try_again(scenario: &Scenario, entry: Entry) -> Step {
    Step::Decided(Outcome::Retry {
        missing: entry.missing,
        refused: entry.refused || scenario.has(Flaw::CountsOutagesAsRefusals),
    })
}

/// What follows when PayJS refuses. Of an order that was looked for it said before that it was paid.
pub(crate) fn refuse(entry: Entry) -> Step {
    Step::Decided(if entry.refused && !entry.missing {
        Outcome::Nothing
    } else {
        Outcome::Retry {
            missing: entry.missing,
            refused: true,
        }
    })
}

/// The order that is promoted: the one that PayJS names.
fn target(scenario: &Scenario, entry: Entry) -> Order {
    match entry.asked {
        Some(asked) if scenario.has(Flaw::PromotesWhatWasAsked) => asked,
        _ => scenario.order_of(entry.payment),
    }
}

fn before_asking(scenario: &Scenario, state: &State, entry: Entry, asked: Order) -> Step {
    match state.mapping(asked) {
        Some(by) if by == entry.payment && scenario.has(Flaw::KeepsConfirmedOrders) => {
            Step::Decided(Outcome::Nothing)
        }
        Some(by) if by == entry.payment || scenario.has(Flaw::TrustsAnyMapping) => {
            Step::Decided(Outcome::Promoted)
        }
        _ => Step::Asking,
    }
}

/// PayJS's `check`: one that sees a payment ends PayJS's notifies of it.
fn ask(state: &mut State, entry: Entry) -> Step {
    let payment = usize::from(entry.payment);
    if !state.paid[payment] {
        return Step::Decided(Outcome::Nothing);
    }
    state.acknowledged[payment] = true;
    state.notifies[payment] = 0;
    Step::Paid
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

/// One transition out of the stream, as `queue/settle.rs` has it. Says what remains to be done.
pub(crate) fn settle(
    scenario: &Scenario,
    state: &mut State,
    entry: Entry,
    outcome: Outcome,
) -> Option<Step> {
    match outcome {
        Outcome::Promoted => {
            state.orders[usize::from(target(scenario, entry))] = false;
            state.take_out(entry);
        }
        Outcome::Nothing => {
            state.take_out(entry);
        }
        Outcome::Retry { missing, refused } => {
            if state.take_out(entry) {
                if scenario.has(Flaw::ParksInTwoSteps) {
                    return Some(Step::Half(outcome));
                }
                state.retry.push(Entry {
                    missing,
                    refused,
                    ..entry
                });
            }
        }
        Outcome::Dead(reason) if scenario.has(Flaw::BuriesInTwoSteps) => {
            state.dead.push((entry, reason));
            return Some(Step::Half(outcome));
        }
        Outcome::Dead(reason) => {
            if state.take_out(entry) {
                state.dead.push((entry, reason));
            }
        }
    }
    None
}

/// What a flaw left for later.
fn the_other_half(state: &mut State, order: Order, entry: Entry, outcome: Outcome) {
    match outcome {
        Outcome::Retry { missing, refused } => state.retry.push(Entry {
            missing,
            refused,
            ..entry
        }),
        Outcome::Dead(Reason::Poison | Reason::OrderMissing) | Outcome::Nothing => {
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
