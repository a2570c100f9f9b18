//! An order: an unpaid request for a code.

mod content;
mod name;
mod values;

use std::time::Duration;

use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use serde::{Deserialize, Serialize};

pub use content::{Content, DataError, OrderData};
pub use name::NameError;
pub use values::{Fee, OpenId, OutTradeNo, ValueError};

use crate::gateway::Merchant;

/// TTL of an order after the gateway reported its payment, so that a late promotion still finds it.
pub const PAID_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// The uploaded data, the price and the merchant. Redis stores it under its `out_trade_no` until it is paid or
/// expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The merchant's number of the order.
    pub out_trade_no: OutTradeNo,
    /// The id of its future code. Chosen now, so that every promotion of this order writes the same code. It has 96 random
    /// bits: the driver's own ids are a time, a process value and a counter, so one id reveals its neighbours.
    #[serde(with = "hex_id")]
    pub code_id: ObjectId,
    /// The owner.
    pub openid: OpenId,
    /// The content of its future code.
    #[serde(flatten)]
    pub content: Content,
    /// The price in fen.
    pub total_fee: Fee,
    /// The merchant that receives the money.
    #[serde(flatten)]
    pub merchant: Merchant,
    /// When the order was made.
    pub created_at: Timestamp,
}

impl Order {
    /// An order for `data` with a new code id. `out_trade_no` must be drawn for its person
    /// ([`Keys::draw_number`](crate::queue::Keys::draw_number)).
    pub fn new(
        data: OrderData,
        total_fee: Fee,
        out_trade_no: OutTradeNo,
        merchant: Merchant,
    ) -> Self {
        Self {
            merchant,
            out_trade_no,
            code_id: ObjectId::from_bytes(rand::random()),
            openid: data.openid,
            content: data.content,
            total_fee,
            created_at: Timestamp::now(),
        }
    }
}

#[cfg(test)]
mod tests;

/// An `ObjectId` as 24 hex digits.
mod hex_id {
    use mongodb::bson::oid::ObjectId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        id: &ObjectId,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&id.to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ObjectId, D::Error> {
        let text = String::deserialize(deserializer)?;
        ObjectId::parse_str(text).map_err(serde::de::Error::custom)
    }
}
