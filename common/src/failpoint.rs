//! Points between two effects at which a test can make the process die. Not in release builds.

use std::fmt::Display;

macro_rules! points {
    ($($(#[$doc:meta])+ $point:ident = $name:literal,)+) => {
        /// A point between two effects. The walk of the worker's tests dies at each of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Failpoint {
            $($(#[$doc])+ $point,)+
        }

        impl Failpoint {
            /// Every point.
            pub const ALL: &[Self] = &[$(Self::$point),+];

            /// What `HEYI_FAILPOINT` calls it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// The order is in the cache; `/newOrder` has not answered.
    OrderStored = "order.stored",
    /// The notify is checked; nothing is queued.
    EnqueueBefore = "enqueue.before",
    /// The event is queued; `/notify` has not answered.
    EnqueueAfter = "enqueue.after",
    /// The gateway is to be asked; no confirm is queued.
    ConfirmBefore = "confirm.before",
    /// The confirm is queued; `/checkOrder` has not answered.
    ConfirmAfter = "confirm.after",
    /// The code is deleted; `/del` has not answered.
    Deleted = "del.deleted",
    /// The code is changed; `/update` has not answered.
    Updated = "update.updated",
    /// A batch of scans is counted in Redis; the api does not know.
    ScansFlushed = "scans.flushed",
    /// An aggregation of scans has begun; nothing is in MongoDB.
    AggregationBegun = "aggregation.begun",
    /// Some or all of an aggregation is in MongoDB; Redis still has it.
    AggregationWritten = "aggregation.written",
    /// A worker holds the event and has done nothing.
    HandleBefore = "handle.before",
    /// The worker has the turn to ask the gateway; the confirm still waits.
    ConfirmTurn = "confirm.turn",
    /// The gateway said that it was paid, and sends no more notifies.
    ConfirmChecked = "confirm.checked",
    /// The gateway's answer is an event of its own; the confirm is where it was.
    ConfirmAnswered = "confirm.answered",
    /// The code is written, the mapping is not.
    CodeWritten = "promote.code_written",
    /// The outcome is known, the event is where it was.
    SettleBefore = "settle.before",
    /// The event is settled, nobody knows.
    SettleAfter = "settle.after",
    /// Parked events are due.
    DueBefore = "due.before",
    /// They are in the stream again.
    DueAfter = "due.after",
    /// An event of a dead worker is claimed and not yet handed on.
    TakeoverClaimed = "takeover.claimed",
    /// A poisonous event is a dead letter.
    TakeoverBuried = "takeover.buried",
    /// A worker that ends has given back one of its events.
    ReleaseGivenBack = "release.given_back",
    /// It sends no heartbeat any more, and is still in the group.
    ReleaseUnsigned = "release.unsigned",
    /// A letter is back in the queue; the operator does not know.
    Replayed = "replay.after",
    /// A letter is dropped; the operator does not know.
    LetterDropped = "drop.after",
    /// The order can become no code any more; the gateway has not been asked for the refund.
    RefundClaimed = "refund.claimed",
    /// The gateway has given the payment back; nothing is recorded.
    RefundGranted = "refund.granted",
    /// The refund is recorded, the order does not say so.
    RefundRecorded = "refund.recorded",
    /// The order says so; the letter is still there.
    RefundMarked = "refund.marked",
}

/// Ends the process immediately, without any clean-up, when `HEYI_FAILPOINT` names this point.
#[inline]
pub fn reach(point: Failpoint) {
    #[cfg(debug_assertions)]
    enabled::point(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

/// The same, but where `HEYI_FAILPOINT_OF` is set only for what it names.
#[inline]
pub fn reach_of<T: Display>(point: Failpoint, name: impl FnOnce() -> Option<T>) {
    #[cfg(debug_assertions)]
    enabled::point_of(point, name);
    #[cfg(not(debug_assertions))]
    let _ = (point, name);
}

/// Blocks this thread while the file that `HEYI_FREEZE_WHILE` names exists, when `HEYI_FREEZE` names this kind of part.
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
            tracing::error!(crash.point = point.name(), "dying at a failpoint");
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
