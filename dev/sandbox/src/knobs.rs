//! The knobs that make PayJS and WeChat misbehave.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The faults to simulate. By default there are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Delay from the payer's consent to the payment, in ms.
    pub pay_delay_ms: u64,
    /// Whether a second PayJS order with the same `out_trade_no` is made and paid right after the first.
    pub pay_twice: bool,
    /// How many copies of each notify are sent at the same time.
    pub notify_copies: u32,
    /// How many notifies are still sent after one was acknowledged.
    pub notify_repeats: u32,
    /// Delay of the notifies, in ms.
    pub notify_delay_ms: u64,
    /// A wrong amount for notifies, in fen.
    pub notify_fee: Option<u64>,
    /// How many of the first notifies of each order are lost; in JSON also `"all"`.
    #[serde(deserialize_with = "count_or_all")]
    pub lose_notifies: u32,
    /// Delay of answers to REST calls, in ms. Setting the knobs ends it.
    pub answer_delay_ms: u64,
    /// How REST calls fail.
    pub refuse: Refuse,
    /// Rate limit of `check`, in calls a second. 0 is no limit.
    pub checks_per_second: usize,
    /// How WeChat fails.
    pub wechat: Wechat,
    /// How many of the next logins WeChat refuses as busy (errcode -1). They do not use up the code.
    pub wechat_busy: u32,
}

/// How PayJS's REST calls fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refuse {
    /// No failure.
    #[default]
    No,
    /// `return_code` 0, without effect.
    ReturnCode,
    /// HTTP 500, without effect.
    Http500,
    /// HTTP 200 with truncated JSON, without effect.
    BrokenJson,
    /// The call takes effect, but its answer has an invalid signature.
    WrongSign,
}

/// How WeChat fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wechat {
    /// No failure.
    #[default]
    Ok,
    /// It never answers.
    Slow,
    /// HTTP 500.
    Http500,
    /// HTTP 200 without JSON.
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
            // One call a second must pass, with some jitter.
            checks_per_second: 2,
            wechat: Wechat::Ok,
            wechat_busy: 0,
        }
    }
}

impl Knobs {
    /// These knobs, with those in the JSON object `changes` replaced.
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
