//! Failpoints: points between two effects at which tests can kill the process. Not in release builds.

use std::fmt::Display;

macro_rules! points {
    ($($(#[$doc:meta])+ $point:ident = $name:literal,)+) => {
        /// A failpoint between two effects. A test of the worker dies at each of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Failpoint {
            $($(#[$doc])+ $point,)+
        }

        impl Failpoint {
            /// All failpoints.
            pub const ALL: &[Self] = &[$(Self::$point),+];

            /// Its name in `HEYI_FAILPOINT`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// The order is stored; `/newOrder` has not answered.
    OrderStored = "order.stored",
    /// The notify is checked; nothing is queued.
    EnqueueBefore = "enqueue.before",
    /// The event is queued; `/notify` has not answered.
    EnqueueAfter = "enqueue.after",
    /// The gateway must be asked; no confirm is queued.
    ConfirmBefore = "confirm.before",
    /// The confirm is queued; `/checkOrder` has not answered.
    ConfirmAfter = "confirm.after",
    /// The code is deleted; `/del` has not answered.
    Deleted = "del.deleted",
    /// The code is changed; `/update` has not answered.
    Updated = "update.updated",
    /// A batch of scans is counted in Redis; the api has no answer yet.
    ScansFlushed = "scans.flushed",
    /// An aggregation of scans has begun; nothing is in MongoDB.
    AggregationBegun = "aggregation.begun",
    /// Some or all of an aggregation is in MongoDB; Redis still has it.
    AggregationWritten = "aggregation.written",
    /// An event is in flight; the worker has done nothing.
    HandleBefore = "handle.before",
    /// The worker has the turn to ask the gateway; the confirm still waits.
    ConfirmTurn = "confirm.turn",
    /// The gateway said that it was paid, and sends no more notifies.
    ConfirmChecked = "confirm.checked",
    /// The gateway's answer is an event; the confirm is not done.
    ConfirmAnswered = "confirm.answered",
    /// The code is written, the mapping is not.
    CodeWritten = "promote.code_written",
    /// The outcome is decided; the event is not settled.
    SettleBefore = "settle.before",
    /// The event is settled; the worker has no answer yet.
    SettleAfter = "settle.after",
    /// Parked events are due.
    DueBefore = "due.before",
    /// They are back in the stream.
    DueAfter = "due.after",
    /// An event of a dead worker is claimed and not yet delivered.
    TakeoverClaimed = "takeover.claimed",
    /// A poisonous event is a dead letter.
    TakeoverBuried = "takeover.buried",
    /// A worker that stops has released one of its events.
    ReleaseGivenBack = "release.given_back",
    /// A worker that stops sends no more heartbeats and is still in the group.
    ReleaseUnsigned = "release.unsigned",
    /// A letter is replayed; the operator has no answer yet.
    Replayed = "replay.after",
    /// A letter is dropped; the operator has no answer yet.
    LetterDropped = "drop.after",
    /// The refund is claimed; the gateway has not been asked.
    RefundClaimed = "refund.claimed",
    /// The gateway has refunded the payment; nothing is recorded.
    RefundGranted = "refund.granted",
    /// The refund is recorded; the order has no mark of it.
    RefundRecorded = "refund.recorded",
    /// The order has the mark of its refund; the letter still exists.
    RefundMarked = "refund.marked",
}

/// Kills the process immediately, without clean-up, if `HEYI_FAILPOINT` names this point.
#[inline]
pub fn reach(point: Failpoint) {
    #[cfg(debug_assertions)]
    enabled::point(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

/// Like [`reach`], but if `HEYI_FAILPOINT_OF` is set, only for the value in it.
#[inline]
pub fn reach_of<T: Display>(point: Failpoint, name: impl FnOnce() -> Option<T>) {
    #[cfg(debug_assertions)]
    enabled::point_of(point, name);
    #[cfg(not(debug_assertions))]
    let _ = (point, name);
}

/// Blocks this thread while the file in `HEYI_FREEZE_WHILE` exists, if `HEYI_FREEZE` names this kind of part.
#[inline]
pub fn freeze(kind: &str) {
    #[cfg(debug_assertions)]
    enabled::freeze(kind);
    #[cfg(not(debug_assertions))]
    let _ = kind;
}

#[cfg(debug_assertions)]
mod enabled {
    use std::{env, fmt::Display, path::Path, sync::LazyLock, thread, time::Duration};

    use super::Failpoint;

    static CRASH_AT: LazyLock<Option<String>> = LazyLock::new(|| variable("HEYI_FAILPOINT"));
    static CRASH_OF: LazyLock<Option<String>> = LazyLock::new(|| variable("HEYI_FAILPOINT_OF"));

    static FREEZE: LazyLock<Option<String>> = LazyLock::new(|| variable("HEYI_FREEZE"));
    static FREEZE_WHILE: LazyLock<Option<String>> = LazyLock::new(|| variable("HEYI_FREEZE_WHILE"));

    pub(super) fn freeze(kind: &str) {
        if FREEZE.as_deref() != Some(kind) {
            return;
        }
        let frozen = || {
            FREEZE_WHILE
                .as_ref()
                .is_some_and(|file| Path::new(file).exists())
        };
        while frozen() {
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn variable(name: &str) -> Option<String> {
        env::var_os(name).and_then(|text| text.into_string().ok())
    }

    pub(super) fn point(point: Failpoint) {
        if CRASH_AT.as_deref() == Some(point.name()) {
            tracing::error!(crash.point = point.name(), "failpoint reached, exiting");
            crate::telemetry::flush();
            std::process::abort();
        }
    }

    pub(super) fn point_of<T: Display>(at: Failpoint, name: impl FnOnce() -> Option<T>) {
        let is_named = CRASH_OF
            .as_deref()
            .is_none_or(|wanted| name().is_some_and(|name| name.to_string() == wanted));
        if is_named {
            point(at);
        }
    }
}
