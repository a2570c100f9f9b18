//! Payment gateways.
//!
//! Each gateway is one module below, which alone knows its messages. It reports a neutral [`Payment`]. To add a gateway,
//! add it to [`Gateway`], its channels to [`Channel`], and a handle to [`Gateways`]. The compiler then names the missing
//! verbs.

mod channel;
pub mod payjs;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use channel::Channel;
pub use payjs::NamedPayment;

use crate::{
    config::Config,
    order::{Fee, Order, OutTradeNo},
};

/// A payment gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// PayJS, a reseller of WeChat Pay.
    Payjs,
}

impl Gateway {
    /// Every gateway.
    pub const ALL: [Self; 1] = [Self::Payjs];

    /// The name in the database, in metrics and in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Payjs => "payjs",
        }
    }

    /// Parses a notify or an answer of the gateway without verifying it.
    pub fn peek(self, body: &str) -> Option<Unverified> {
        match self {
            Self::Payjs => payjs::peek(body),
        }
    }
}

/// The name for people.
impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Payjs => "PayJS",
        })
    }
}

impl FromStr for Gateway {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.into_iter();
        all.find(|gateway| gateway.name() == name).ok_or(())
    }
}

/// The receiver of an order's money. A payment counts only for orders of its own merchant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merchant {
    /// The gateway.
    pub gateway: Gateway,
    /// The gateway's number of the merchant.
    pub merchant: String,
}

/// A verified payment that a gateway reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The gateway.
    pub gateway: Gateway,
    /// The gateway's number of the payment.
    pub payment_id: String,
    /// The number that the payer sees.
    pub transaction_id: String,
    /// Our number of the order.
    pub out_trade_no: OutTradeNo,
    /// The amount that was paid.
    pub total_fee: Fee,
    /// When it was paid, as the gateway wrote it.
    pub paid_at: String,
}

impl Payment {
    /// The payment by its numbers.
    pub fn reference(&self) -> PaymentRef {
        PaymentRef {
            gateway: self.gateway,
            out_trade_no: self.out_trade_no.clone(),
            payment_id: self.payment_id.clone(),
        }
    }
}

/// The numbers that identify a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRef {
    /// The gateway.
    pub gateway: Gateway,
    /// Our number of the order that was paid.
    pub out_trade_no: OutTradeNo,
    /// The gateway's number of the payment.
    pub payment_id: String,
}

/// The contents of a message before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// Our number of the order.
    pub out_trade_no: OutTradeNo,
    /// The gateway's number of the payment.
    pub payment_id: Option<String>,
    /// The amount.
    pub total_fee: Option<Fee>,
}

/// Why a body is not a notify of a payment for one of our orders.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotifyError {
    /// It does not have the shape of a notify.
    #[error("{0}")]
    Malformed(String),
    /// Not signed by the gateway.
    #[error("invalid signature")]
    Forged,
    /// Signed, but for another merchant.
    #[error("the notify is for another merchant")]
    OtherMerchant,
}

/// The state of a payment at a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not paid, or not yet.
    Unpaid,
    /// Paid.
    Paid(Answer),
    /// Paid, but the order's number is not ours: another shop of the merchant made it.
    Foreign(String),
}

/// The gateway's answer that an order was paid. It may name another order than the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The payment in it.
    pub payment: Payment,
    /// The answer with its signature, as [`Gateways::read_answer`] takes it.
    pub body: String,
}

/// A refund that a gateway granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refund {
    /// Refunded now.
    Now,
    /// Had been refunded before.
    Before,
}

/// Why a gateway gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The gateway refused, with its message. An immediate repeat gets the same answer.
    #[error("{0} refused: {1}")]
    Refused(Gateway, String),
    /// No answer, a malformed one, or one without a signature. Ask again later.
    #[error("{0} did not answer: {1:#}")]
    NoAnswer(Gateway, #[source] anyhow::Error),
    /// A signed answer that an order was paid, but that cannot be parsed. A repeat gets the same answer.
    #[error("{0} says that an order was paid, but its answer lacks a usable {1}")]
    Unreadable(Gateway, &'static str),
}

/// What the person's client needs to pay.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Checkout {
    /// Through PayJS.
    Payjs(payjs::Checkout),
}

/// The handles of all gateways. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateways {
    payjs: Arc<payjs::Client>,
}

impl Gateways {
    /// Handles that use the client `http`.
    pub fn new(http: reqwest::Client, config: &Config) -> Self {
        Self {
            payjs: Arc::new(payjs::Client::new(http, &config.payjs)),
        }
    }

    /// The merchant of `gateway`.
    pub fn merchant(&self, gateway: Gateway) -> Merchant {
        match gateway {
            Gateway::Payjs => self.payjs.merchant(),
        }
    }

    /// The data that the client needs to pay an order. The order must be stored before, so that no payment comes first. If
    /// the gateway fails, the order expires.
    pub async fn checkout(
        &self,
        order: &Order,
        channel: Channel,
    ) -> Result<Checkout, GatewayError> {
        match channel.gateway() {
            Gateway::Payjs => self
                .payjs
                .checkout(order, channel)
                .await
                .map(Checkout::Payjs),
        }
    }

    /// Parses and verifies a notify.
    pub fn read_notify(&self, gateway: Gateway, body: &[u8]) -> Result<Payment, NotifyError> {
        match gateway {
            Gateway::Payjs => self.payjs.read_notify(body),
        }
    }

    /// Parses and verifies an answer of [`query`](Self::query) from an event.
    pub fn read_answer(&self, gateway: Gateway, body: &str) -> Result<Payment, NotifyError> {
        match gateway {
            Gateway::Payjs => self.payjs.read_answer(body),
        }
    }

    /// Asks whether a payment was made.
    pub async fn query(&self, payment: &PaymentRef) -> Result<Status, GatewayError> {
        match payment.gateway {
            Gateway::Payjs => self.payjs.query(&payment.payment_id).await,
        }
    }

    /// Refunds the whole amount of a payment.
    pub async fn refund(&self, payment: &PaymentRef) -> Result<Refund, GatewayError> {
        match payment.gateway {
            Gateway::Payjs => self.payjs.refund(&payment.payment_id).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde() {
        for gateway in Gateway::ALL {
            assert_eq!(serde_json::to_value(gateway).unwrap(), gateway.name());
            assert_eq!(gateway.name().parse(), Ok(gateway));
        }
        assert_eq!("".parse::<Gateway>(), Err(()));
    }
}
