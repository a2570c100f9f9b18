//! The knobs that make PayJS and WeChat misbehave.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What goes wrong, and how. The default is that nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Milliseconds from the payer's consent to the payment.
    pub pay_delay_ms: u64,
    /// Whether a second PayJS order with the same `out_trade_no` is made and paid right after the first.
    pub pay_twice: bool,
    /// How many times each notify is sent, all at once.
    pub notify_copies: u32,
    /// How many more notifies of the schedule are sent after one was acknowledged.
    pub notify_repeats: u32,
    /// Milliseconds by which the notifies come late.
    pub notify_delay_ms: u64,
    /// The amount that notifies tell instead of the true one, in fen.
    pub notify_fee: Option<u64>,
    /// How many of the first notifies of each order are lost; in JSON also `"all"`.
    #[serde(deserialize_with = "count_or_all")]
    pub lose_notifies: u32,
    /// Milliseconds until a REST call is answered, or fewer if the knobs are set meanwhile.
    pub answer_delay_ms: u64,
    /// How REST calls fail.
    pub refuse: Refuse,
    /// How many calls of `check` a second are answered; the rest are refused. 0 is no limit.
    pub checks_per_second: usize,
    /// How WeChat fails.
    pub wechat: Wechat,
    /// How many of the next logins WeChat refuses as busy (errcode -1), without using up the code.
    pub wechat_busy: u32,
}

/// How PayJS's REST calls fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refuse {
    /// They do not.
    #[default]
    No,
    /// `return_code` 0, and nothing is done.
    ReturnCode,
    /// HTTP 500, and nothing is done.
    Http500,
    /// HTTP 200 with JSON that is cut off, and nothing is done.
    BrokenJson,
    /// All is done, but the answer's signature is false.
    WrongSign,
}

/// How WeChat fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wechat {
    /// It does not.
    #[default]
    Ok,
    /// It never answers.
    Slow,
    /// HTTP 500.
    Http500,
    /// HTTP 200 with something that is not JSON.
    Garbage,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            pay_delay_ms: 0,
            pay_twice: false,
            notify_copies: 1,
            notify_repeats: 0,
            notify_delay_ms: 0,
            notify_fee: None,
            lose_notifies: 0,
            answer_delay_ms: 0,
            refuse: Refuse::No,
            // Once a second with some jitter must pass.
            checks_per_second: 2,
            wechat: Wechat::Ok,
            wechat_busy: 0,
        }
    }
}

impl Knobs {
    /// These knobs with the ones named in `changes`, a JSON object, set anew.
    pub(crate) fn with(&self, changes: serde_json::Value) -> Result<Self, serde_json::Error> {
        let changes: serde_json::Map<String, serde_json::Value> = serde_json::from_value(changes)?;
        let mut all: serde_json::Map<String, serde_json::Value> =
            serde_json::from_value(serde_json::to_value(self)?)?;
        all.extend(changes);
        serde_json::from_value(serde_json::Value::Object(all))
    }

    pub(crate) fn pay_delay(&self) -> Duration {
        Duration::from_millis(self.pay_delay_ms)
    }

    pub(crate) fn notify_delay(&self) -> Duration {
        Duration::from_millis(self.notify_delay_ms)
    }
}

fn count_or_all<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum CountOrAll {
        Count(u32),
        Word(String),
    }
    match CountOrAll::deserialize(from) {
        Ok(CountOrAll::Count(count)) => Ok(count),
        Ok(CountOrAll::Word(word)) if word == "all" => Ok(u32::MAX),
        _ => Err(serde::de::Error::custom(
            "lose_notifies is a number or \"all\"",
        )),
    }
}
