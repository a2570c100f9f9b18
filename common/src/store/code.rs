//! The documents of codes and mappings.

use mongodb::bson::{DateTime, oid::ObjectId};
use serde::{Deserialize, Serialize};

use super::ChangeNumber;
use crate::{
    gateway::{Gateway, Payment},
    order::{Content, Fee, OpenId, Order, OutTradeNo},
};

/// The record of a paid order. The composite code points to its page. The document also has the code's
/// [changes](Change), oldest first, which are read separately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// Chosen when the order was made.
    #[serde(rename = "_id")]
    pub id: ObjectId,
    /// The owner.
    pub openid: OpenId,
    /// What its page shows.
    #[serde(flatten)]
    pub content: Content,
    /// Our number of its order; unique.
    pub out_trade_no: OutTradeNo,
    /// The gateway that was paid.
    pub gateway: Gateway,
    /// The gateway's number of the payment.
    pub payment_id: String,
    /// The number that the payer sees.
    pub transaction_id: String,
    /// The amount in fen.
    pub total_fee: Fee,
    /// When it was paid, as the gateway wrote it.
    pub paid_at: String,
    /// When it became a code.
    pub created_at: DateTime,
    /// What happened to it since.
    #[serde(flatten)]
    pub state: CodeState,
}

/// What happened to a code after its promotion.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CodeState {
    /// When its owner deleted it.
    #[serde(default)]
    pub deleted_at: Option<DateTime>,
    /// When an operator disabled its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<DateTime>,
    /// When an operator disabled all codes of its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_disabled_at: Option<DateTime>,
    /// When its owner last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime>,
    /// When the request for its last change was signed, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_ts: Option<i64>,
    /// When its owner last changed its receive codes, not only its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payloads_changed_at: Option<DateTime>,
}

impl CodeState {
    /// Whether its page may be shown.
    pub fn is_shown(&self) -> bool {
        let down = [self.deleted_at, self.disabled_at, self.owner_disabled_at];
        down.iter().all(Option::is_none)
    }
}

/// A change of a code by its owner, with the content before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Number of changes so far, including this one.
    pub number: ChangeNumber,
    /// When it was changed.
    pub changed_at: DateTime,
    /// The content until then.
    #[serde(flatten)]
    pub content: Content,
}

impl Code {
    /// The code that a paid order becomes.
    pub fn new(order: &Order, payment: &Payment) -> Self {
        Self {
            id: order.code_id,
            openid: order.openid.clone(),
            content: order.content.clone(),
            out_trade_no: order.out_trade_no.clone(),
            gateway: payment.gateway,
            payment_id: payment.payment_id.clone(),
            transaction_id: payment.transaction_id.clone(),
            total_fee: order.total_fee,
            paid_at: payment.paid_at.clone(),
            created_at: DateTime::now(),
            state: CodeState::default(),
        }
    }

    /// The mapping from its order.
    pub fn mapping(&self) -> Mapping {
        Mapping {
            out_trade_no: self.out_trade_no.clone(),
            code_id: self.id,
            gateway: self.gateway,
            payment_id: self.payment_id.clone(),
            created_at: self.created_at,
        }
    }
}

/// The mapping of an `out_trade_no` to its code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// Our number of the order.
    #[serde(rename = "_id")]
    pub out_trade_no: OutTradeNo,
    /// The code that it became.
    pub code_id: ObjectId,
    /// The gateway that was paid.
    pub gateway: Gateway,
    /// The gateway's number of the payment.
    pub payment_id: String,
    /// When it was promoted.
    pub created_at: DateTime,
}
