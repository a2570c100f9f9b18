//! PayJS: what we sign for it, what it tells us, what we ask it.

mod client;
mod notify;

use std::collections::BTreeMap;

pub use client::{Check, Client, PayJsError, Refund};
pub use notify::{Notify, NotifyError};
use secrecy::SecretString;
use url::Url;

use crate::{
    order::{Fee, OutTradeNo},
    sign::{self, Params, SIGN},
};

/// The signed parameters that the mini-program hands to PayJS's mini-program. All of them are ours: no text
/// of a user is signed.
pub fn order_params(
    config: &crate::config::PayJs,
    notify_url: &Url,
    out_trade_no: &OutTradeNo,
    total_fee: Fee,
) -> Params {
    let nonce: [u8; 16] = rand::random();
    let params = BTreeMap::from([
        ("mchid".to_owned(), config.mchid.clone()),
        ("total_fee".to_owned(), total_fee.to_string()),
        ("out_trade_no".to_owned(), out_trade_no.to_string()),
        ("body".to_owned(), config.body.clone()),
        ("notify_url".to_owned(), notify_url.to_string()),
        ("nonce".to_owned(), hex::encode(nonce)),
    ]);
    signed(params, &config.key)
}

fn signed(mut params: Params, key: &SecretString) -> Params {
    let signature = sign::sign(&params, key);
    params.insert(SIGN.to_owned(), signature);
    params
}
