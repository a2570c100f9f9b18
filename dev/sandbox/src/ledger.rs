//! The ledger: a record of all events.

use jiff::Timestamp;
use serde::Serialize;

/// All events since the start or the last reset, oldest first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Ledger {
    /// The orders made at PayJS.
    pub orders: Vec<Order>,
    /// The finished notifies, sent or lost.
    pub notifies: Vec<Notify>,
    /// The answered calls of `check`.
    pub checks: Vec<Check>,
    /// The calls of WeChat's login.
    pub logins: Vec<Login>,
    /// The refused calls of PayJS.
    pub refused: Vec<Refused>,
    /// How many calls of `check` the rate limit refused.
    pub polled_too_fast: u64,
}

/// An order at PayJS.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    /// PayJS's number: 25 digits, `YYYYMMDDHHMMSS` and 11 more.
    pub payjs_order_id: String,
    /// The merchant's number of the order.
    pub out_trade_no: String,
    /// The amount in fen.
    pub total_fee: u64,
    /// The title that the payer sees.
    pub body: Option<String>,
    /// Data that the notify repeats.
    pub attach: Option<String>,
    /// The URL of the notifies. Without it there are none.
    pub notify_url: Option<String>,
    /// The URL to which the cashier redirects the payer after the payment.
    pub callback_url: Option<String>,
    /// `alipay`, or nothing for WeChat.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its status.
    pub status: OrderStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// The number that the payer sees: 28 digits.
    pub transaction_id: Option<String>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// The state of its notifies.
    pub series: Series,
}

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Created, not paid.
    Created,
    /// Paid.
    Paid,
    /// Closed before it was paid.
    Closed,
    /// Paid and refunded.
    Refunded,
}

/// The state of an order's notifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// Not paid, or without a notify URL.
    None,
    /// In progress.
    Running,
    /// One was acknowledged with HTTP 200 in time.
    Delivered,
    /// A `check` saw the payment, which ends the notifies too.
    SeenByCheck,
    /// The last one was not acknowledged.
    GivenUp,
}

/// One notify.
#[derive(Debug, Clone, Serialize)]
pub struct Notify {
    /// Its order.
    pub payjs_order_id: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When it was sent.
    pub at: Timestamp,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// Milliseconds until the answer.
    pub duration_ms: u64,
    /// Whether it was answered with HTTP 200 within 3 s.
    pub acknowledged: bool,
    /// Whether it was lost on purpose, so never sent.
    pub lost: bool,
}

/// One answered call of `check`.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its order.
    pub payjs_order_id: String,
    /// When.
    pub at: Timestamp,
    /// Whether the answer was "paid".
    pub paid: bool,
}

/// One call of WeChat's login.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// The login code.
    pub code: String,
    /// When.
    pub at: Timestamp,
    /// The answer's errcode, 0 for a success.
    pub errcode: i32,
}

/// One refused call.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    /// The path of the call.
    pub path: String,
    /// When.
    pub at: Timestamp,
    /// The reason as PayJS words it.
    pub reason: String,
}
