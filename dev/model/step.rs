//! The steps of the model.

use super::state::{Entry, Payment, Process, State, Step};

/// A step. Consumers are identified by their index in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A person pays.
    Pay(Payment),
    /// A notify of PayJS is enqueued. The answer may get lost, or the api may die before it.
    Notify { payment: Payment, answered: bool },
    /// The api enqueues a confirm.
    Confirm(usize),
    /// Only with a flaw: an answered notify is enqueued late, or never.
    QueueLate { payment: Payment, dies: bool },
    /// A worker starts.
    Start,
    /// A reader gets the next entry. An entry that never arrives is pending too.
    Read { worker: usize, arrives: bool },
    /// A worker recovers a pending entry that never reached it.
    RecoverLost { worker: usize, entry: Entry },
    /// A parked event goes back into the stream.
    MoveDue(Entry),
    /// A worker claims the events of a dead one.
    TakeOver {
        worker: usize,
        from: usize,
        entry: Entry,
    },
    /// A worker does the next step of an event and gets the answer.
    Proceed { worker: usize, entry: Entry },
    /// A call to MongoDB or PayJS fails, although it may have taken effect.
    Fail {
        worker: usize,
        entry: Entry,
        took_effect: bool,
    },
    /// PayJS refuses a `check`.
    Refuse { worker: usize, entry: Entry },
    /// A settlement takes effect, but its answer is lost, so the worker repeats it.
    SettleUnheard { worker: usize, entry: Entry },
    /// `kill -9`.
    Crash(usize),
    /// A worker runs, but its heartbeat stops.
    Stall(usize),
    /// A worker sends a heartbeat again.
    Recover(usize),
    /// A worker begins a graceful shutdown.
    Stop(usize),
    /// A stopping worker returns an event.
    GiveBack { worker: usize, entry: Entry },
    /// A stopping worker leaves the group.
    Leave(usize),
    /// Only with a flaw: a consumer without a heartbeat is removed even if it has pending events.
    Remove(usize),
}

impl Action {
    /// Whether it is a fault, which recovery may not depend on.
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

/// Whether a handler runs.
pub(super) fn runs(step: Step) -> bool {
    !matches!(step, Step::Claimed { .. } | Step::Waiting)
}

pub(super) fn change(state: &mut State, worker: usize, change: impl FnOnce(&mut Process)) {
    if let Some(process) = &mut state.consumers[worker].process {
        change(process);
    }
}
