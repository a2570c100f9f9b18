//! An event, and its encoding in Redis.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use redis::streams::StreamId;

use super::Partition;
use crate::{
    gateway::{Gateway, PaymentRef, Unverified},
    order::OutTradeNo,
};

pub(super) const GATEWAY: &str = "gateway";
pub(super) const BODY: &str = "body";
pub(super) const ANSWER: &str = "answer";
pub(super) const CONFIRM: &str = "confirm";
pub(super) const ASKER: &str = "asker";
const TURN: &str = "turn";
const EXPIRY: &str = "expiry";
const ORDER_LOOKUPS: &str = "order_lookups";
const CHECK_REFUSALS: &str = "check_refusals";
const PAID_CHECKS: &str = "paid_checks";

/// The cause of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The gateway sent a notify.
    Notify {
        /// The gateway.
        gateway: Gateway,
        /// The raw body.
        body: String,
    },
    /// The gateway's signed answer that an order was paid. It may send no notify after that.
    Answer {
        /// The gateway.
        gateway: Gateway,
        /// The answer, as [`Gateways::read_answer`](crate::gateway::Gateways::read_answer) takes it.
        body: String,
    },
    /// A payer says that the order was paid; the gateway must be asked.
    Confirm {
        /// The payment that the payer names, which may belong to another order, and the payer's order.
        payment: PaymentRef,
        /// Who asked: see [`Asker`](super::Asker).
        asker: String,
        /// Whether the gateway may be asked now. Not stored when the event waits again.
        has_turn: bool,
        /// The order's expiry before and after this confirm, as `let_expire.lua` takes them; none if it was not changed.
        expiry: Option<String>,
    },
}

/// A cause and its progress in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The cause.
    pub cause: Cause,
    /// Number of earlier attempts, for whatever reason.
    pub attempt: u32,
    /// When the api received it, in ms since 1970.
    pub received_at: i64,
    /// Number of failed order lookups.
    pub order_lookups: u32,
    /// Number of checks that the gateway refused to answer.
    pub check_refusals: u32,
    /// Number of checks that said paid without a finished promotion after them.
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

    /// What the gateway reported, not verified. None for a confirm, which has only the payer's word.
    pub fn reported(&self) -> Option<Unverified> {
        match &self.cause {
            Cause::Notify { gateway, body } | Cause::Answer { gateway, body } => gateway.peek(body),
            Cause::Confirm { .. } => None,
        }
    }

    /// The number of its order, if it names one.
    pub fn out_trade_no(&self) -> Option<OutTradeNo> {
        match self.named_payment() {
            Some(payment) => Some(payment.out_trade_no.clone()),
            None => self.reported().map(|reported| reported.out_trade_no),
        }
    }

    /// The payment that the gateway reported.
    pub fn payment(&self) -> Option<PaymentRef> {
        let reported = self.reported()?;
        Some(PaymentRef {
            gateway: self.gateway(),
            out_trade_no: reported.out_trade_no,
            payment_id: reported.payment_id?,
        })
    }

    /// The payment that a payer named, and the order for which it was named.
    pub(super) fn named_payment(&self) -> Option<&PaymentRef> {
        match &self.cause {
            Cause::Confirm { payment, .. } => Some(payment),
            Cause::Notify { .. } | Cause::Answer { .. } => None,
        }
    }

    fn gateway(&self) -> Gateway {
        match &self.cause {
            Cause::Notify { gateway, .. } | Cause::Answer { gateway, .. } => *gateway,
            Cause::Confirm { payment, .. } => payment.gateway,
        }
    }

    /// The fields that are stored.
    pub(super) fn fields(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut fields = Vec::with_capacity(10);
        fields.push((GATEWAY, self.gateway().name().into()));
        match &self.cause {
            Cause::Notify { body, .. } => fields.push((BODY, body.into())),
            Cause::Answer { body, .. } => fields.push((ANSWER, body.into())),
            Cause::Confirm {
                payment,
                asker,
                has_turn: _,
                expiry,
            } => {
                fields.push((CONFIRM, (&payment.payment_id).into()));
                fields.push(("out_trade_no", payment.out_trade_no.as_str().into()));
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

    /// The same by name, so that callers can add fields.
    pub(super) fn owned_fields(&self) -> Fields {
        let fields = self.fields().into_iter();
        fields
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect()
    }

    pub(super) fn from_fields(fields: &Fields) -> Result<Self, EventError> {
        let gateway = parsed(fields, GATEWAY)?;
        let cause = if let Some(body) = fields.get(BODY).cloned() {
            Cause::Notify { gateway, body }
        } else if let Some(body) = fields.get(ANSWER).cloned() {
            Cause::Answer { gateway, body }
        } else {
            let payment_id = fields.get(CONFIRM).ok_or(EventError(BODY))?.clone();
            Cause::Confirm {
                payment: PaymentRef {
                    gateway,
                    out_trade_no: parsed(fields, "out_trade_no")?,
                    payment_id,
                },
                asker: fields.get(ASKER).cloned().unwrap_or_default(),
                has_turn: fields.contains_key(TURN),
                expiry: fields.get(EXPIRY).cloned(),
            }
        };
        Ok(Self {
            cause,
            attempt: parsed(fields, "attempt")?,
            received_at: parsed(fields, "received_at")?,
            order_lookups: count(fields, ORDER_LOOKUPS)?,
            check_refusals: count(fields, CHECK_REFUSALS)?,
            paid_checks: count(fields, PAID_CHECKS)?,
        })
    }
}

fn parsed<T: std::str::FromStr>(fields: &Fields, name: &'static str) -> Result<T, EventError> {
    fields
        .get(name)
        .and_then(|text| text.parse().ok())
        .ok_or(EventError(name))
}

/// Reads a counter, which is stored only if it is not zero.
fn count(fields: &Fields, name: &'static str) -> Result<u32, EventError> {
    if fields.contains_key(name) {
        parsed(fields, name)
    } else {
        Ok(0)
    }
}

/// The fields of an entry as text. Replaces invalid UTF-8, which we never write.
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

/// An event that is in flight at one worker.
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
        let gateway = Gateway::Payjs;
        let confirm = Cause::Confirm {
            payment: PaymentRef {
                gateway,
                out_trade_no: "A1".parse().unwrap(),
                payment_id: "2025010112345600512345678".to_owned(),
            },
            asker: "person:oAlice".to_owned(),
            has_turn: false,
            expiry: Some("1,2".to_owned()),
        };
        let body = "a=1&b=%E4".to_owned();
        let notify = Cause::Notify {
            gateway,
            body: body.clone(),
        };
        for cause in [notify, Cause::Answer { gateway, body }, confirm] {
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
        let of_payjs = |pairs: &[(&str, &str)]| fields(&[pairs, &[("gateway", "payjs")]].concat());
        for (entry, field) in [
            (fields(&[("body", ""), ("attempt", "0")]), "gateway"),
            (fields(&[("gateway", "paypal"), ("body", "")]), "gateway"),
            (of_payjs(&[]), "body"),
            (of_payjs(&[("body", "")]), "attempt"),
            (of_payjs(&[("body", ""), ("attempt", "-1")]), "attempt"),
            (
                of_payjs(&[("confirm", "1"), ("attempt", "0")]),
                "out_trade_no",
            ),
        ] {
            assert_eq!(Event::from_fields(&entry).unwrap_err().0, field);
        }
    }
}
