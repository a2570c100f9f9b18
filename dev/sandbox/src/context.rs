//! The state of a sandbox that all its parts share.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify as Signal, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    knobs::Knobs,
    ledger::{Check, Ledger, Login, Notify, Order},
    options::Options,
    refusal::Refusal,
};

/// The shared part of a sandbox.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) url: Url,
    pub(crate) http: reqwest::Client,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Notifies waiters when the knobs are set.
    knobs_set: Signal,
    books: Mutex<Books>,
}

/// A handle on the context, for requests and tasks.
pub(crate) type Shared = Arc<Context>;

/// The mutable state of a sandbox.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) knobs: Knobs,
    /// Knobs of single orders, by `payjs_order_id`.
    pub(crate) own_knobs: BTreeMap<String, Knobs>,
    pub(crate) orders: BTreeMap<String, Order>,
    /// The `out_trade_no` of every order that was paid.
    pub(crate) paid: HashSet<String>,
    pub(crate) notifies: Vec<Notify>,
    pub(crate) checks: Vec<Check>,
    /// Times of the calls of `check` in the last second.
    pub(crate) recent_checks: VecDeque<Instant>,
    pub(crate) polled_too_fast: u64,
    pub(crate) logins: Vec<Login>,
    pub(crate) used_codes: HashSet<String>,
    pub(crate) refused: Vec<crate::ledger::Refused>,
    /// The last part of the newest order's number.
    pub(crate) serial: u64,
}

impl Context {
    pub(crate) fn new(options: Options, url: Url, http: reqwest::Client) -> Self {
        let books = Books {
            // So that two runs have different numbers.
            serial: rand::random_range(0..10_000_000_000),
            ..Books::default()
        };
        Self {
            options,
            url,
            http,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            knobs_set: Signal::new(),
            books: Mutex::new(books),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies `change` to the knobs and returns them.
    pub(crate) fn set_knobs<E>(
        &self,
        change: impl FnOnce(&Knobs) -> Result<Knobs, E>,
    ) -> Result<Knobs, E> {
        let mut books = self.books();
        let knobs = change(&books.knobs)?;
        books.knobs = knobs.clone();
        self.knobs_set.notify_waiters();
        Ok(knobs)
    }

    /// Clears everything, including the knobs.
    pub(crate) fn reset(&self) {
        self.books().reset();
        self.knobs_set.notify_waiters();
    }

    /// Waits for the knob `answer_delay_ms`, or until the knobs are set, and returns the knobs.
    pub(crate) async fn knobs_of_answer(&self) -> Knobs {
        let set = self.knobs_set.notified();
        let knobs = self.books().knobs.clone();
        let late = self.pause(Duration::from_millis(knobs.answer_delay_ms));
        tokio::select! {
            () = late => {}
            () = set => {}
        }
        knobs
    }

    /// Waits for `time`, or until the sandbox stops.
    pub(crate) async fn pause(&self, time: Duration) {
        let _ = tokio::time::timeout(time, self.stop.cancelled()).await;
    }

    /// Runs `task` until it ends or the sandbox stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }
}

impl Books {
    pub(crate) fn order(&self, payjs_order_id: &str) -> Result<&Order, Refusal> {
        self.orders.get(payjs_order_id).ok_or(Refusal::UnknownOrder)
    }

    pub(crate) fn order_mut(&mut self, payjs_order_id: &str) -> Result<&mut Order, Refusal> {
        self.orders
            .get_mut(payjs_order_id)
            .ok_or(Refusal::UnknownOrder)
    }

    /// The knobs of an order.
    pub(crate) fn knobs_of(&self, payjs_order_id: &str) -> &Knobs {
        self.own_knobs.get(payjs_order_id).unwrap_or(&self.knobs)
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger {
            orders: self.orders.values().cloned().collect(),
            notifies: self.notifies.clone(),
            checks: self.checks.clone(),
            logins: self.logins.clone(),
            refused: self.refused.clone(),
            polled_too_fast: self.polled_too_fast,
        }
    }

    /// Clears everything but the serial number.
    fn reset(&mut self) {
        *self = Self {
            serial: self.serial,
            ..Self::default()
        };
    }
}
