//! What happens from outside, and what is wrong on purpose.

use super::state::{Consumer, Faults, Order, Payment, Process, State};

/// A payment of an order, and how often PayJS will tell of it at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paid {
    pub(crate) order: Order,
    pub(crate) notifies: u8,
}

/// A payer who asks about an order and names a payment, which may be another's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirm {
    pub(crate) asked: Order,
    pub(crate) payment: Payment,
}

/// Where a state space begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scenario {
    /// Whether each order is in the cache; one that is not was lost.
    pub(crate) orders: Vec<bool>,
    pub(crate) payments: Vec<Paid>,
    pub(crate) confirms: Vec<Confirm>,
    pub(crate) faults: Faults,
    pub(crate) flaw: Option<Flaw>,
}

/// A transition that is not as the code has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Parking is `XACK` and `XDEL`, and then `ZADD`.
    ParksInTwoSteps,
    /// Burying is `XADD`, and then `XACK` and `XDEL`; nor does it look whether the event was buried before.
    BuriesInTwoSteps,
    /// An event is done before its mapping is written.
    SettlesBeforeMapping,
    /// `/notify` answers before the event is queued.
    AnswersBeforeQueueing,
    /// A consumer is removed whether it holds something or not.
    RemovesWithoutLooking,
    /// A confirm is done when the order has a mapping, whichever payment it is from.
    TrustsAnyMapping,
    /// A confirm promotes the order that was asked about instead of the one that PayJS names.
    PromotesWhatWasAsked,
    /// A confirm is done before PayJS's answer is an event.
    EndsConfirmsFirst,
    /// A payment gets a letter each time that it is reported.
    RepeatsLetters,
    /// An attempt that an outage took counts as a refusal of PayJS.
    CountsOutagesAsRefusals,
    /// What a worker gives back at its end still counts as a delivery that killed it.
    CountsReleases,
}

impl Scenario {
    /// The state before anything happened: two workers without work.
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
