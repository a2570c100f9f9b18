//! The record of what happened.

use jiff::Timestamp;
use serde::Serialize;

/// Everything that happened since the start or the last reset, oldest first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Ledger {
    /// The orders made at PayJS.
    pub orders: Vec<Order>,
    /// The notifies sent or lost, each when it ended.
    pub notifies: Vec<Notify>,
    /// The calls of `check` that were answered.
    pub checks: Vec<Check>,
    /// The calls of WeChat's login.
    pub logins: Vec<Login>,
    /// The calls that PayJS refused.
    pub refused: Vec<Refused>,
    /// How many calls of `check` were refused because they came too fast.
    pub polled_too_fast: u64,
}

/// An order at PayJS.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    /// PayJS's number: 25 digits, `YYYYMMDDHHMMSS` and 11 more.
    pub payjs_order_id: String,
    /// The merchant's number.
    pub out_trade_no: String,
    /// The amount in fen.
    pub total_fee: u64,
    /// What the payer reads.
    pub body: Option<String>,
    /// What the notify repeats.
    pub attach: Option<String>,
    /// Where the notifies go; without it there are none.
    pub notify_url: Option<String>,
    /// Where the cashier sends the payer afterwards.
    pub callback_url: Option<String>,
    /// `alipay`, or nothing for WeChat.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Where it stands.
    pub status: OrderStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// The number that the payer sees: 28 digits.
    pub transaction_id: Option<String>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// How its notifies fare.
    pub series: Series,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Made, not paid.
    Created,
    /// Paid.
    Paid,
    /// Closed before it was paid.
    Closed,
    /// Paid and paid back.
    Refunded,
}

/// How the notifies of an order fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// Not paid, or without an address to notify.
    None,
    /// Going on.
    Running,
    /// One was answered with HTTP 200 in time.
    Delivered,
    /// A `check` saw the payment, which counts as delivery.
    SeenByCheck,
    /// The last one went unanswered.
    GivenUp,
}

/// One notify.
#[derive(Debug, Clone, Serialize)]
pub struct Notify {
    /// The order it tells of.
    pub payjs_order_id: String,
    /// Its place in the series, from 1.
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
    /// The order that was asked for.
    pub payjs_order_id: String,
    /// When.
    pub at: Timestamp,
    /// Whether the answer was that it is paid.
    pub paid: bool,
}

/// One call of WeChat's login.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// The code that was shown.
    pub code: String,
    /// When.
    pub at: Timestamp,
    /// The answer's errcode, 0 for a success.
    pub errcode: i32,
}

/// One refused call.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    /// The path that was called.
    pub path: String,
    /// When.
    pub at: Timestamp,
    /// The reason as PayJS words it.
    pub reason: String,
}
