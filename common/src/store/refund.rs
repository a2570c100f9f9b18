//! Refunds, and how they exclude promotions.
//!
//! A refund first writes a claim in the place of the order's code. `codes.out_trade_no` is unique, so an order has either a
//! code or a claim, whichever is written first. A payment that is being refunded never becomes a code, even if its notify
//! comes again.

use mongodb::{
    Collection,
    bson::{DateTime, Document, RawDocumentBuf, doc, oid::ObjectId},
    options::ReadConcern,
};
use serde::{Deserialize, Serialize};

use super::{Code, Result, Store, StoreError, decode::decode, is_duplicate, read};
use crate::{
    gateway::{Gateway, PaymentRef},
    order::OutTradeNo,
};

/// A payment that an operator refunded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundRecord {
    /// The gateway's number of the payment.
    #[serde(rename = "_id")]
    pub payment_id: String,
    /// The gateway that was paid.
    pub gateway: Gateway,
    /// Our number of the order.
    pub out_trade_no: OutTradeNo,
    /// Why it was refunded: the reason of the dead letter.
    pub reason: String,
    /// When it was refunded.
    pub refunded_at: DateTime,
}

/// The document in the place of an order's code.
#[derive(Debug, Clone, PartialEq)]
pub enum Existing {
    /// The code.
    Code(Box<Code>),
    /// The claim of a refund: the order cannot get a code.
    Refund {
        /// The gateway's number of the payment that is or was refunded.
        payment_id: String,
    },
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundClaim {
    /// The payment has no code and cannot get one.
    Granted,
    /// The payment has this code.
    HasCode(ObjectId),
}

/// A field of claims that no code has.
const BEGUN: &str = "refund_begun_at";
/// The field with the number of refund requests to the gateway. After several, an earlier one may be in flight, or granted
/// with its answer lost, whatever the gateway answers to the last.
const ATTEMPTS: &str = "attempts";

impl Store {
    /// Claims a payment for a refund, so that it cannot become a code, and counts the attempt.
    pub async fn claim_refund(&self, payment: &PaymentRef) -> Result<RefundClaim> {
        let PaymentRef {
            gateway,
            out_trade_no,
            payment_id,
        } = payment;
        let claim = doc! {
            "_id": ObjectId::new(),
            "out_trade_no": out_trade_no.as_str(),
            "gateway": gateway.name(),
            "payment_id": payment_id,
            BEGUN: DateTime::now(),
            ATTEMPTS: 1,
        };
        match self.claims().insert_one(claim).await {
            Ok(_) => return Ok(RefundClaim::Granted),
            Err(error) if is_duplicate(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let again = doc! { "$inc": { ATTEMPTS: 1 } };
        let earlier = claim_of(payment);
        if self
            .claims()
            .update_one(earlier, again)
            .await?
            .matched_count
            > 0
        {
            return Ok(RefundClaim::Granted);
        }
        let existing = self.existing(out_trade_no).await?;
        let existing = existing.ok_or_else(|| StoreError::NotYetSafe(out_trade_no.clone()))?;
        Ok(match existing {
            Existing::Code(code) if code.payment_id == *payment_id => RefundClaim::HasCode(code.id),
            // Withdrawn and made again concurrently.
            Existing::Refund { payment_id: same } if same == *payment_id => {
                return Err(StoreError::NotYetSafe(out_trade_no.clone()));
            }
            // Another payment has the order's only place, so this one cannot become its code.
            Existing::Code(_) | Existing::Refund { .. } => RefundClaim::Granted,
        })
    }

    /// Withdraws a claim after the gateway refused the refund, so that the payment may become a code after all. Only the
    /// claim of a first attempt: an earlier one may have been granted with its answer lost.
    pub async fn withdraw_refund(&self, payment: &PaymentRef) -> Result<()> {
        let mut claim = claim_of(payment);
        claim.insert(ATTEMPTS, 1);
        self.claims().delete_one(claim).await?;
        Ok(())
    }

    /// Records a refund. Repeating it changes nothing.
    pub async fn record_refund(&self, refund: &RefundRecord) -> Result<()> {
        match self.refunds.insert_one(refund).await {
            Err(error) if !is_duplicate(&error) => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The record of a payment's refund.
    pub async fn refund(&self, payment: &PaymentRef) -> Result<Option<RefundRecord>> {
        let refunds = self.refunds.clone_with_type::<RawDocumentBuf>();
        let one = doc! { "_id": &payment.payment_id, "gateway": payment.gateway.name() };
        let found = read(refunds.find_one(one)).await?;
        found
            .map(|refund| decode(self.refunds.name(), &refund))
            .transpose()
    }

    /// The document that a majority has in the place of an order's code.
    pub async fn existing(&self, out_trade_no: &OutTradeNo) -> Result<Option<Existing>> {
        let claims = self.codes.clone_with_type::<RawDocumentBuf>();
        let found = claims
            .find_one(doc! { "out_trade_no": out_trade_no.as_str() })
            .read_concern(ReadConcern::majority());
        let Some(document) = read(found).await? else {
            return Ok(None);
        };
        if matches!(document.get(BEGUN), Ok(Some(_))) {
            let payment_id = document.get_str("payment_id").unwrap_or_default();
            return Ok(Some(Existing::Refund {
                payment_id: payment_id.to_owned(),
            }));
        }
        let code = decode(self.codes.name(), &document)?;
        Ok(Some(Existing::Code(Box::new(code))))
    }

    fn claims(&self) -> Collection<Document> {
        self.codes.clone_with_type()
    }
}

fn claim_of(payment: &PaymentRef) -> Document {
    doc! {
        "out_trade_no": payment.out_trade_no.as_str(),
        "gateway": payment.gateway.name(),
        "payment_id": &payment.payment_id,
        BEGUN: { "$exists": true },
    }
}
