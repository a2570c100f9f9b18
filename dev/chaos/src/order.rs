//! The orders of a run, as the test itself knows them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use heyi_common::order::Content;
use jiff::Timestamp;
use serde::Serialize;

/// The scenario of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Paid immediately.
    PaidOnce,
    /// Paid seconds later.
    PaidLate,
    /// Each notify is sent twice at the same time.
    NotifiedTwice,
    /// Notifies continue after one was acknowledged, so that old ones arrive after new orders.
    OutOfOrder,
    /// No notify arrives. The payer's client asks.
    ConfirmOnly,
    /// Not paid.
    NeverPaid,
}

/// An order that `/newOrder` answered with success.
#[derive(Debug, Clone, Serialize)]
pub struct Placed {
    /// Our number.
    pub out_trade_no: String,
    /// PayJS's number.
    pub payjs_order_id: String,
    /// Its scenario.
    pub scenario: Scenario,
    /// The owner.
    #[serde(skip)]
    pub openid: String,
    /// The content that its code must have.
    pub content: Content,
    /// The price.
    pub total_fee: u32,
    /// When the payer paid.
    pub paid: Option<Timestamp>,
    /// When PayJS received the first acknowledgement of a notify.
    pub acknowledged: Option<Timestamp>,
    /// When its mapping was first seen.
    pub promoted: Option<Timestamp>,
    /// The id of the code, as `/checkOrder` answered it.
    pub answered: Option<String>,
    /// A wrong answer of `/checkOrder`: the order is paid, but the api answers that it is unknown or failed.
    pub denied: Option<String>,
}

/// All orders, by our number.
#[derive(Debug, Default)]
pub struct Orders {
    begun: AtomicUsize,
    placed: Mutex<BTreeMap<String, Placed>>,
}

impl Orders {
    /// Counts a client at its start.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of started clients.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Adds an order.
    pub fn add(&self, placed: Placed) {
        self.all().insert(placed.out_trade_no.clone(), placed);
    }

    /// Changes an order.
    pub fn change(&self, out_trade_no: &str, change: impl FnOnce(&mut Placed)) {
        if let Some(placed) = self.all().get_mut(out_trade_no) {
            change(placed);
        }
    }

    /// A snapshot of all orders.
    pub fn snapshot(&self) -> Vec<Placed> {
        self.all().values().cloned().collect()
    }

    /// The numbers of paid orders whose mapping was not seen yet.
    pub fn unpromoted(&self) -> Vec<String> {
        let all = self.all();
        let waiting = all
            .values()
            .filter(|one| one.paid.is_some() && one.promoted.is_none());
        waiting.map(|one| one.out_trade_no.clone()).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Placed>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
