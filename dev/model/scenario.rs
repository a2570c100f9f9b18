//! Scenarios: external events, and deliberate flaws.

use super::state::{Consumer, Faults, Order, Payment, Process, State};

/// A payment of an order, and the most notifies that PayJS sends of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paid {
    pub(crate) order: Order,
    pub(crate) notifies: u8,
}

/// A confirm: its order, and the payment that it names, perhaps of another order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirm {
    pub(crate) asked: Order,
    pub(crate) payment: Payment,
}

/// The start of a state space.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scenario {
    /// Whether each order is in Redis. A missing one was lost.
    pub(crate) orders: Vec<bool>,
    pub(crate) payments: Vec<Paid>,
    pub(crate) confirms: Vec<Confirm>,
    pub(crate) faults: Faults,
    pub(crate) flaw: Option<Flaw>,
}

/// A transition that deliberately differs from the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Parking is `XACK` and `XDEL`, and then `ZADD`.
    ParksInTwoSteps,
    /// Burying is `XADD`, then `XACK` and `XDEL`, without a check for an earlier letter.
    BuriesInTwoSteps,
    /// An event is done before its mapping is written.
    SettlesBeforeMapping,
    /// `/notify` answers before the event is queued.
    AnswersBeforeQueueing,
    /// A consumer is removed even if it has pending events.
    RemovesWithoutLooking,
    /// A confirm is done when the order has a mapping from any payment.
    TrustsAnyMapping,
    /// A confirm promotes its own order instead of the one that PayJS names.
    PromotesWhatWasAsked,
    /// A confirm is done before PayJS's answer is enqueued.
    EndsConfirmsFirst,
    /// A payment gets a dead letter for each report.
    RepeatsLetters,
    /// An attempt that failed in an outage counts as a refusal of PayJS.
    CountsOutagesAsRefusals,
    /// An event that a stopping worker returned still counts as a deadly delivery.
    CountsReleases,
}

impl Scenario {
    /// The first state: two idle workers.
    pub(crate) fn start(&self) -> State {
        let worker = Consumer {
            process: Some(Process::default()),
            ..Consumer::default()
        };
        State {
            notifies: self.payments.iter().map(|paid| paid.notifies).collect(),
            confirms: vec![true; self.confirms.len()],
            paid: vec![false; self.payments.len()],
            acknowledged: vec![false; self.payments.len()],
            orders: self.orders.clone(),
            consumers: vec![worker.clone(), worker],
            faults: self.faults,
            ..State::default()
        }
    }

    /// The order that a payment is for.
    pub(crate) fn order_of(&self, payment: Payment) -> Order {
        self.payments[usize::from(payment)].order
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}
