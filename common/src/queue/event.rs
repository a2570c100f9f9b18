//! An event, and how it is written into Redis.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use redis::streams::StreamId;

use super::Partition;
use crate::{
    gateway::{PaymentRef, payjs},
    order::OutTradeNo,
};

pub(super) const FORM: &str = "form";
pub(super) const ANSWER: &str = "answer";
pub(super) const CONFIRM: &str = "confirm";
pub(super) const ASKER: &str = "asker";
const TURN: &str = "turn";
const EXPIRY: &str = "expiry";
const ORDER_LOOKUPS: &str = "order_lookups";
const CHECK_REFUSALS: &str = "check_refusals";
const PAID_CHECKS: &str = "paid_checks";

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The gateway called: the raw body of its notify.
    Notify {
        /// The form as it came.
        form: String,
    },
    /// The gateway answered our `check`, signed, that an order was paid. The gateway sends no notify after that.
    Answer {
        /// The answer as a form.
        form: String,
    },
    /// The payer says that the order was paid; the gateway must be asked.
    Confirm {
        /// The order that the payer waits for.
        out_trade_no: OutTradeNo,
        /// The payment that the payer names. It may belong to another order.
        payment_id: String,
        /// Who asked: see [`Asker`](super::Asker).
        asker: String,
        /// Whether the gateway may be asked now. Not kept when the event waits again.
        has_turn: bool,
        /// The order's expiry without and with this confirm, as `let_expire.lua` takes them; none when this did not change it.
        expiry: Option<String>,
    },
}

/// A cause on its way through the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub cause: Cause,
    /// How often it was tried before, for whatever reason.
    pub attempt: u32,
    /// When the api received it, in ms since 1970.
    pub received_at: i64,
    /// Number of failed order lookups.
    pub order_lookups: u32,
    /// Number of checks that the gateway refused to answer.
    pub check_refusals: u32,
    /// Number of checks that said paid, after which the promotion did not finish.
    pub paid_checks: u32,
}

/// Why an entry of the stream is no event.
#[derive(Debug, thiserror::Error)]
#[error("the entry has no usable field {0}")]
pub struct EventError(&'static str);

/// Fields of an entry, by name.
pub(super) type Fields = BTreeMap<String, String>;

impl Event {
    /// A new event of `cause`.
    pub fn new(cause: Cause) -> Self {
        Self {
            cause,
            attempt: 0,
            received_at: jiff::Timestamp::now().as_millisecond(),
            order_lookups: 0,
            check_refusals: 0,
            paid_checks: 0,
        }
    }

    /// The number of the order that the event is about, where it says one.
    pub fn out_trade_no(&self) -> Option<OutTradeNo> {
        match &self.cause {
            Cause::Confirm { out_trade_no, .. } => Some(out_trade_no.clone()),
            Cause::Notify { form } | Cause::Answer { form } => payjs::order_in(form),
        }
    }

    /// The payment that the gateway reported. A confirm reports none: what it names is the payer's word.
    pub fn payment(&self) -> Option<PaymentRef> {
        let (Cause::Notify { form } | Cause::Answer { form }) = &self.cause else {
            return None;
        };
        payjs::payment_in(form)
    }

    /// The payment that a payer named, and the order for which.
    pub(super) fn named_payment(&self) -> Option<PaymentRef> {
        let Cause::Confirm {
            out_trade_no,
            payment_id,
            ..
        } = &self.cause
        else {
            return None;
        };
        Some(PaymentRef {
            out_trade_no: out_trade_no.clone(),
            payment_id: payment_id.clone(),
        })
    }

    /// What is written of it.
    pub(super) fn fields(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut fields = Vec::with_capacity(9);
        match &self.cause {
            Cause::Notify { form } => fields.push((FORM, form.into())),
            Cause::Answer { form } => fields.push((ANSWER, form.into())),
            Cause::Confirm {
                out_trade_no,
                payment_id,
                asker,
                has_turn: _,
                expiry,
            } => {
                fields.push((CONFIRM, payment_id.into()));
                fields.push(("out_trade_no", out_trade_no.as_str().into()));
                fields.push((ASKER, asker.into()));
                fields.extend(expiry.iter().map(|expiry| (EXPIRY, expiry.into())));
            }
        }
        fields.push(("attempt", self.attempt.to_string().into()));
        fields.push(("received_at", self.received_at.to_string().into()));
        let counts = [
            (ORDER_LOOKUPS, self.order_lookups),
            (CHECK_REFUSALS, self.check_refusals),
            (PAID_CHECKS, self.paid_checks),
        ];
        let counted = counts.into_iter().filter(|(_, count)| *count > 0);
        fields.extend(counted.map(|(name, count)| (name, count.to_string().into())));
        fields
    }

    /// The same by name, for those who add to it.
    pub(super) fn owned_fields(&self) -> Fields {
        let fields = self.fields().into_iter();
        fields
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect()
    }

    pub(super) fn from_fields(fields: &Fields) -> Result<Self, EventError> {
        let cause = if let Some(form) = fields.get(FORM) {
            Cause::Notify { form: form.clone() }
        } else if let Some(form) = fields.get(ANSWER) {
            Cause::Answer { form: form.clone() }
        } else {
            let payment_id = fields.get(CONFIRM).ok_or(EventError(FORM))?.clone();
            Cause::Confirm {
                out_trade_no: number(fields, "out_trade_no")?,
                payment_id,
                asker: fields.get(ASKER).cloned().unwrap_or_default(),
                has_turn: fields.contains_key(TURN),
                expiry: fields.get(EXPIRY).cloned(),
            }
        };
        Ok(Self {
            cause,
            attempt: number(fields, "attempt")?,
            received_at: number(fields, "received_at")?,
            order_lookups: count(fields, ORDER_LOOKUPS)?,
            check_refusals: count(fields, CHECK_REFUSALS)?,
            paid_checks: count(fields, PAID_CHECKS)?,
        })
    }
}

fn number<T: std::str::FromStr>(fields: &Fields, name: &'static str) -> Result<T, EventError> {
    fields
        .get(name)
        .and_then(|text| text.parse().ok())
        .ok_or(EventError(name))
}

/// A counter that is only written once it counted something.
fn count(fields: &Fields, name: &'static str) -> Result<u32, EventError> {
    if fields.contains_key(name) {
        number(fields, name)
    } else {
        Ok(0)
    }
}

/// The fields of an entry as text. Bytes that are no UTF-8, which we never write, are replaced.
pub(super) fn fields_of(entry: &StreamId) -> Fields {
    let as_text = |value: &redis::Value| match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => redis::from_redis_value_ref(other).unwrap_or_default(),
    };
    let map: &HashMap<String, redis::Value> = &entry.map;
    map.iter()
        .map(|(name, value)| (name.clone(), as_text(value)))
        .collect()
}

/// An event that one worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it was read.
    pub partition: Partition,
    /// Its id in the stream.
    pub id: String,
    /// The event.
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_their_fields() {
        let confirm = Cause::Confirm {
            out_trade_no: "A1".parse().unwrap(),
            payment_id: "2025010112345600512345678".to_owned(),
            asker: "person:oAlice".to_owned(),
            has_turn: false,
            expiry: Some("1,2".to_owned()),
        };
        let form = "a=1&b=%E4".to_owned();
        let (notify, answer) = (Cause::Notify { form: form.clone() }, Cause::Answer { form });
        for cause in [notify, answer, confirm] {
            let mut event = Event::new(cause);
            assert_eq!(Event::from_fields(&event.owned_fields()).unwrap(), event);
            event.attempt = 7;
            event.order_lookups = 3;
            event.check_refusals = 2;
            assert_eq!(Event::from_fields(&event.owned_fields()).unwrap(), event);
        }
    }

    #[test]
    fn strange_entries_are_refused_with_the_field() {
        let fields = |pairs: &[(&str, &str)]| -> Fields {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        for (entry, field) in [
            (fields(&[]), "form"),
            (fields(&[("form", "")]), "attempt"),
            (fields(&[("form", ""), ("attempt", "-1")]), "attempt"),
            (
                fields(&[("confirm", "1"), ("attempt", "0")]),
                "out_trade_no",
            ),
        ] {
            assert_eq!(Event::from_fields(&entry).unwrap_err().0, field);
        }
    }
}
