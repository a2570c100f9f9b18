//! Gateways: whom a person pays through.
//!
//! Each gateway is one module below, which alone knows its messages. What it reports becomes a [`Payment`], in which
//! nothing is the gateway's own. To add a gateway, add it to [`Gateway`], its channels to [`Channel`], and a handle to
//! [`Gateways`]; the compiler then names the verbs that it lacks.

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

/// Whom a person pays through.
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

    /// What a notify or an answer of the gateway says, which need not be verified.
    pub fn peek(self, body: &str) -> Option<Unverified> {
        match self {
            Self::Payjs => payjs::peek(body),
        }
    }
}

/// What people call it.
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

/// Who receives the money of an order. A payment counts for orders of its own merchant only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merchant {
    /// The gateway.
    pub gateway: Gateway,
    /// The gateway's number of the merchant.
    pub merchant: String,
}

/// A payment that a gateway reported, verified.
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
    /// What was paid.
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

/// A payment by its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRef {
    /// The gateway.
    pub gateway: Gateway,
    /// Our number of the order that was paid.
    pub out_trade_no: OutTradeNo,
    /// The gateway's number of the payment.
    pub payment_id: String,
}

/// What a message says before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// Our number of the order.
    pub out_trade_no: OutTradeNo,
    /// The gateway's number of the payment.
    pub payment_id: Option<String>,
    /// The amount.
    pub total_fee: Option<Fee>,
}

/// Why a body is not a notify that an order of ours was paid.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotifyError {
    /// The gateway sends no such notify.
    #[error("{0}")]
    Malformed(String),
    /// Not signed by the gateway.
    #[error("invalid signature")]
    Forged,
    /// Signed, and of another merchant.
    #[error("the notify is for another merchant")]
    OtherMerchant,
}

/// What a gateway knows of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not paid, or not yet.
    Unpaid,
    /// Paid.
    Paid(Answer),
    /// Paid, but the number of the order is not one of ours: another shop of the merchant made it.
    Foreign(String),
}

/// The gateway's answer that an order was paid. It names the order, which need not be the one that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
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

/// Why a gateway gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The gateway said no, with its words. Asking again soon gets the same answer.
    #[error("{0} refused: {1}")]
    Refused(Gateway, String),
    /// No answer, a broken one, or one that is not signed. Ask again later.
    #[error("{0} did not answer: {1:#}")]
    NoAnswer(Gateway, #[source] anyhow::Error),
    /// A signed answer says that an order was paid, but cannot be read. Asking again gets the same answer.
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

/// A handle to each gateway, which carries out the verbs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateways {
    payjs: Arc<payjs::Client>,
}

impl Gateways {
    /// Handles that ask through `http`.
    pub fn new(http: reqwest::Client, config: &Config) -> Self {
        Self {
            payjs: Arc::new(payjs::Client::new(http, &config.payjs)),
        }
    }

    /// Who receives the money that is paid through `gateway`.
    pub fn merchant(&self, gateway: Gateway) -> Merchant {
        match gateway {
            Gateway::Payjs => self.payjs.merchant(),
        }
    }

    /// What the person needs to pay an order. The order is stored by now, so that no payment comes before it. When the
    /// gateway makes none, it expires.
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

    /// Reads and verifies a notify.
    pub fn read_notify(&self, gateway: Gateway, body: &[u8]) -> Result<Payment, NotifyError> {
        match gateway {
            Gateway::Payjs => self.payjs.read_notify(body),
        }
    }

    /// Reads and verifies an answer of [`query`](Self::query), which an event brought.
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

    /// Gives all the money of a payment back.
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
