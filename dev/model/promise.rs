//! What must hold in every state.

use std::collections::BTreeSet;

use super::{
    scenario::Scenario,
    state::{Cause, Entry, Payment, Reason, State},
};

/// An event becomes a dead letter after this many deaths while it was in flight.
const MOST_DEATHS: u8 = 3;

/// Checks a state. The error names the broken promise.
pub(crate) fn holds(scenario: &Scenario, state: &State) -> Result<(), String> {
    nothing_is_lost(scenario, state)?;
    nothing_is_double(state)?;
    no_code_is_wrong(scenario, state)?;
    let mut payments = BTreeSet::new();
    for (entry, reason) in &state.dead {
        if entry.cause == Cause::Report && !payments.insert(entry.payment) {
            return Err(format!("double: payment {} has two letters", entry.payment));
        }
        if !is_explained(scenario, state, *entry, *reason) {
            return Err(format!("unexplained dead letter {reason:?} of {entry:?}"));
        }
    }
    if state.is_quiet() {
        nothing_is_stuck(scenario, state)?;
    }
    Ok(())
}

fn nothing_is_lost(scenario: &Scenario, state: &State) -> Result<(), String> {
    for payment in payments(scenario) {
        let acknowledged = state.acknowledged[usize::from(payment)];
        let kept = state.kept().any(|entry| entry.payment == payment);
        if acknowledged && !kept && !is_promoted(scenario, state, payment) {
            return Err(format!("lost: payment {payment}"));
        }
    }
    Ok(())
}

fn nothing_is_double(state: &State) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for entry in state.kept() {
        if !seen.insert(entry.event) {
            return Err(format!("double: event {} is in two places", entry.event));
        }
    }
    for written in [&state.codes, &state.mappings] {
        let orders: BTreeSet<_> = written.iter().map(|(order, _)| order).collect();
        if orders.len() < written.len() {
            return Err("double: an order has two codes or two mappings".to_owned());
        }
    }
    Ok(())
}

fn no_code_is_wrong(scenario: &Scenario, state: &State) -> Result<(), String> {
    for (order, payment) in &state.codes {
        if !state.paid[usize::from(*payment)] {
            return Err(format!("false: a code without payment {payment}"));
        }
        if scenario.order_of(*payment) != *order {
            return Err(format!("wrong: order {order} has payment {payment}"));
        }
    }
    for (order, payment) in &state.mappings {
        if state.code(*order) != Some(*payment) {
            return Err(format!("wrong: the mapping of {order} has no such code"));
        }
    }
    Ok(())
}

fn is_explained(scenario: &Scenario, state: &State, entry: Entry, reason: Reason) -> bool {
    let order = scenario.order_of(entry.payment);
    match reason {
        Reason::PaidTwice => state.code(order).is_some_and(|by| by != entry.payment),
        Reason::OrderMissing => !scenario.orders[usize::from(order)],
        Reason::Poison => state.deaths >= MOST_DEATHS,
    }
}

fn nothing_is_stuck(scenario: &Scenario, state: &State) -> Result<(), String> {
    for payment in payments(scenario) {
        let order = scenario.order_of(payment);
        // An operator decides about a dead letter; its order expires.
        if state.dead.iter().any(|(entry, _)| entry.payment == payment) {
            continue;
        }
        if is_promoted(scenario, state, payment) && state.orders[usize::from(order)] {
            return Err(format!("stuck: order {order} is a code and still cached"));
        }
        if state.code(order) == Some(payment) && state.mapping(order).is_none() {
            return Err(format!("stuck: the code of order {order} has no mapping"));
        }
    }
    Ok(())
}

fn is_promoted(scenario: &Scenario, state: &State, payment: Payment) -> bool {
    let order = scenario.order_of(payment);
    state.code(order) == Some(payment) && state.mapping(order) == Some(payment)
}

fn payments(scenario: &Scenario) -> impl Iterator<Item = Payment> {
    (0..).take(scenario.payments.len())
}
