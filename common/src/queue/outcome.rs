//! The outcome of an event.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::Event;
use crate::order::OutTradeNo;

/// What becomes of an event that was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The order became a code, now or before. Removes the order and the mark of an earlier failure.
    Promoted(OutTradeNo),
    /// Nothing to do: a confirm of an order that is not paid.
    Nothing,
    /// To be retried after `delay`.
    Retry {
        /// The event as it is stored for the retry.
        event: Event,
        /// The delay.
        delay: Duration,
        /// Why.
        error: String,
    },
    /// Ended without a promotion; an operator must decide.
    Dead {
        /// The kind of failure.
        reason: DeadReason,
        /// Details for the operator.
        error: String,
    },
    /// Not signed by the gateway.
    Rejected {
        /// Why it was rejected.
        error: String,
    },
}

impl Outcome {
    /// All names in metrics.
    pub const NAMES: [&str; 5] = ["promoted", "nothing", "retry", "dead", "rejected"];

    /// The next attempt of an event.
    pub fn retry(event: &Event, delay: Duration, error: impl Into<String>) -> Self {
        Self::Retry {
            event: Event {
                attempt: event.attempt.saturating_add(1),
                ..event.clone()
            },
            delay,
            error: error.into(),
        }
    }

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
    /// The amount or the merchant differs from the order's.
    Mismatch,
    /// Paid, but the order does not exist: refund it.
    OrderMissing,
    /// The handler cannot process it, or workers died of it.
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
