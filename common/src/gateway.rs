//! Gateways: whom a person pays through.
//!
//! Each gateway is one module below. What it reports becomes a [`Payment`], in which nothing is the gateway's own.

pub mod payjs;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::order::{Fee, OutTradeNo};

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
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A payment that a gateway reported, signed.
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

/// A payment by both of its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRef {
    /// Our number of the order that was paid.
    pub out_trade_no: OutTradeNo,
    /// The gateway's number of the payment.
    pub payment_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde() {
        for gateway in Gateway::ALL {
            assert_eq!(serde_json::to_value(gateway).unwrap(), gateway.name());
        }
    }
}
