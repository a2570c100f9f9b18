//! Timeouts of the wait for the client's next request.
//!
//! hyper has one timeout for idle connections and for reading a head. They need different values: proxies keep idle
//! connections for a minute or more, and a POST fails if the connection closes then. A head that takes a minute is an
//! attack.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::http::deadline::Deadline;

/// Timeouts of the wait for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the whole head, from its first byte, or from the start of the connection.
    pub(super) head: Duration,
    /// Between a response and the next head.
    pub(super) idle: Duration,
}

/// Whether the connection has a request in flight. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

impl Busy {
    /// Marks a request as in flight until the guard is dropped.
    pub(super) fn begin(&self) -> Answering {
        self.0.store(true, Ordering::Relaxed);
        Answering(self.clone())
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// See [`Busy::begin`].
pub(super) struct Answering(Busy);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// A response body; the request is in flight until it is dropped.
pub(super) struct Answer {
    body: Body,
    _answering: Answering,
}

impl Answer {
    pub(super) fn new(body: Body, answering: Answering) -> Self {
        Self {
            body,
            _answering: answering,
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The timeout of one connection, checked on every read.
pub(super) struct Patience {
    limits: Limits,
    busy: Busy,
    state: State,
    deadline: Deadline,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waiting for a head, or reading it.
    Head,
    /// A request is in flight; its body has its own limits.
    Answering,
    /// Waiting for the next request, with the idle timeout.
    Idle,
}

impl Patience {
    pub(super) fn new(limits: Limits, busy: Busy) -> Self {
        Self {
            limits,
            busy,
            state: State::Head,
            deadline: Deadline::after(limits.head),
        }
    }

    /// Fails when the data read or awaited is too late.
    pub(super) fn check(&mut self, context: &mut Context<'_>, is_pending: bool) -> io::Result<()> {
        if self.busy.is_set() {
            self.state = State::Answering;
            return Ok(());
        }
        if self.state == State::Answering {
            self.state = State::Idle;
            self.deadline.restart(self.limits.idle);
        }
        let is_late = if is_pending {
            self.deadline.poll(context).is_ready()
        } else if self.state == State::Idle {
            self.state = State::Head;
            self.deadline.restart(self.limits.head);
            false
        } else {
            self.deadline.has_passed()
        };
        if is_late {
            let error = "the client sends no request";
            return Err(io::Error::new(io::ErrorKind::TimedOut, error));
        }
        Ok(())
    }
}
