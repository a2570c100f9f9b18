//! PayJS: signed parameters, notifies, and queries.

mod ask;
mod checkout;
mod named_payment;
mod notify;

pub use ask::Client;
pub use checkout::{Checkout, Native, PayParams};
pub use named_payment::{NamedPayment, NotAPaymentNumber};

use secrecy::SecretString;

use super::{Gateway, Merchant, Unverified};
use crate::{
    config, form,
    sign::{self, Params, SIGN},
};

/// The merchant of these settings.
pub fn merchant(config: &config::PayJs) -> Merchant {
    Merchant {
        gateway: Gateway::Payjs,
        merchant: config.mchid.clone(),
    }
}

/// Parses a notify or an answer without verifying it.
pub(super) fn peek(body: &str) -> Option<Unverified> {
    let form = form::parse(body.as_bytes()).ok()?;
    Some(Unverified {
        out_trade_no: form.get("out_trade_no")?.parse().ok()?,
        payment_id: form.get("payjs_order_id").cloned(),
        total_fee: form.get("total_fee").and_then(|fee| fee.parse().ok()),
    })
}

fn signed(mut params: Params, key: &SecretString) -> Params {
    let signature = sign::sign(&params, key);
    params.insert(SIGN.to_owned(), signature);
    params
}
