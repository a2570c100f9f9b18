//! How an event ends, or goes on.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::Event;
use crate::order::OutTradeNo;

/// What is to happen with an event that was worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The order became a code, now or before. Its cache and the mark of an earlier failure are dropped.
    Promoted(OutTradeNo),
    /// There is nothing to do: a confirm of an order that is not paid.
    Nothing,
    /// To be tried again after `delay`.
    Retry {
        /// The event as it goes on.
        event: Event,
        /// How long it waits.
        delay: Duration,
        /// Why.
        error: String,
    },
    /// Ended without a promotion; an operator has to look.
    Dead {
        /// The kind of failure.
        reason: DeadReason,
        /// What exactly.
        error: String,
    },
    /// Not from the gateway.
    Rejected {
        /// What gave it away.
        error: String,
    },
}

impl Outcome {
    /// All names in metrics.
    pub const NAMES: [&str; 5] = ["promoted", "nothing", "retry", "dead", "rejected"];

    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Promoted(_) => "promoted",
            Self::Nothing => "nothing",
            Self::Retry { .. } => "retry",
            Self::Dead { .. } => "dead",
            Self::Rejected { .. } => "rejected",
        }
    }
}

/// Why an event is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// The order has a code from another payment: refund this one.
    PaidTwice,
    /// The amount or the merchant is not that of the order.
    Mismatch,
    /// Paid, but there is no such order: refund it.
    OrderMissing,
    /// The handler cannot cope with it, or workers died of it.
    Poison,
}

impl DeadReason {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::PaidTwice,
        Self::Mismatch,
        Self::OrderMissing,
        Self::Poison,
    ];

    /// The reason as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::PaidTwice => "paid_twice",
            Self::Mismatch => "mismatch",
            Self::OrderMissing => "order_missing",
            Self::Poison => "poison",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
