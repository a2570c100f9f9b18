//! A deadline that moves while something is waited for.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// When something must have happened.
pub(crate) struct Deadline {
    at: Instant,
    /// Made when it is first waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// So long from now.
    pub(crate) fn after(time: Duration) -> Self {
        Self {
            at: Instant::now() + time,
            timer: None,
        }
    }

    /// Moves it to so long from now.
    pub(crate) fn restart(&mut self, time: Duration) {
        self.at = Instant::now() + time;
    }

    /// Moves it on.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.at += by;
    }

    pub(crate) fn has_passed(&self) -> bool {
        Instant::now() >= self.at
    }

    /// Ready when it has passed; wakes the task then.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(context)
    }
}
