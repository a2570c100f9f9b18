//! A deadline that can be moved while it is awaited.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline, measured from when it was set.
pub(crate) struct Deadline {
    at: Instant,
    /// Created on the first poll.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Expires after `time`.
    pub(crate) fn after(time: Duration) -> Self {
        Self {
            at: Instant::now() + time,
            timer: None,
        }
    }

    /// Sets it to `time` from now.
    pub(crate) fn restart(&mut self, time: Duration) {
        self.at = Instant::now() + time;
    }

    /// Extends it.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.at += by;
    }

    pub(crate) fn has_passed(&self) -> bool {
        Instant::now() >= self.at
    }

    /// Ready when the deadline has passed; wakes the task then.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(context)
    }
}
