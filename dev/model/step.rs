//! A step, and what steps have in common.

use super::state::{Entry, Payment, Process, State, Step};

/// A step. Consumers are told by their place in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Somebody pays.
    Pay(Payment),
    /// PayJS notifies, the event is queued; whether the answer reaches PayJS, or the api dies first.
    Notify { payment: Payment, answered: bool },
    /// The api queues a confirm.
    Confirm(usize),
    /// Only with a flaw: the event of a notify that was answered is queued at last, or never.
    QueueLate { payment: Payment, dies: bool },
    /// A worker starts.
    Start,
    /// A reader gets the next entry; what never arrives is pending all the same.
    Read { worker: usize, arrives: bool },
    /// A worker finds that it was sent an entry it does not know of.
    RecoverLost { worker: usize, entry: Entry },
    /// A parked event goes back into the stream.
    MoveDue(Entry),
    /// A worker claims what a dead one held.
    TakeOver {
        worker: usize,
        from: usize,
        entry: Entry,
    },
    /// A worker does the next step of an event, and hears of it.
    Proceed { worker: usize, entry: Entry },
    /// A call to MongoDB or PayJS fails, although it may have taken effect.
    Fail {
        worker: usize,
        entry: Entry,
        took_effect: bool,
    },
    /// PayJS refuses to speak of a payment.
    Refuse { worker: usize, entry: Entry },
    /// A settlement takes effect, but its answer is lost, so that it is repeated.
    SettleUnheard { worker: usize, entry: Entry },
    /// `kill -9`.
    Crash(usize),
    /// A worker's heartbeat ends, though it runs.
    Stall(usize),
    /// A worker sends a heartbeat again.
    Recover(usize),
    /// A worker is asked to stop.
    Stop(usize),
    /// A stopping worker gives an event back.
    GiveBack { worker: usize, entry: Entry },
    /// A stopping worker leaves the group.
    Leave(usize),
    /// Only with a flaw: a consumer without a heartbeat is removed, whatever it holds.
    Remove(usize),
}

impl Action {
    /// Whether the system could do without it: it need not happen for things to get better.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Fail { .. }
                | Self::Refuse { .. }
                | Self::SettleUnheard { .. }
                | Self::Read { arrives: false, .. }
                | Self::Notify {
                    answered: false,
                    ..
                }
                | Self::QueueLate { dies: true, .. }
                | Self::Crash(_)
                | Self::Stall(_)
                | Self::Stop(_)
        )
    }
}

/// Collects steps out of one state.
pub(super) struct Steps<'a> {
    pub(super) state: &'a State,
    pub(super) found: Vec<(Action, State)>,
}

impl Steps<'_> {
    pub(super) fn add(&mut self, action: Action, change: impl FnOnce(&mut State)) {
        let mut state = self.state.clone();
        change(&mut state);
        self.found.push((action, state));
    }
}

/// Whether a handler is at work.
pub(super) fn runs(step: Step) -> bool {
    !matches!(step, Step::Claimed { .. } | Step::Waiting)
}

pub(super) fn change(state: &mut State, worker: usize, change: impl FnOnce(&mut Process)) {
    if let Some(process) = &mut state.consumers[worker].process {
        change(process);
    }
}
