//! PayJS: what we sign for it, what it tells us, what we ask it.

mod channel;
mod client;
mod notify;
mod payment_number;

use std::collections::BTreeMap;

pub use channel::{Channel, UnknownChannel};
pub use client::{Check, Client, Native, PaidAnswer, PayJsError, Refund};
pub use notify::{Notify, NotifyError, fee_in, order_in, payment_in};
pub use payment_number::{NotAPaymentNumber, PaymentNumber};
use secrecy::SecretString;
use url::Url;

use crate::{
    form,
    order::{Fee, OutTradeNo},
    sign::{self, Params, SIGN},
};

/// The signed parameters of an order, as its channel takes them. All of them are ours: no text of a user is
/// signed.
pub fn order_params(
    config: &crate::config::PayJs,
    channel: Channel,
    notify_url: &Url,
    out_trade_no: &OutTradeNo,
    total_fee: Fee,
) -> Params {
    let mut params = BTreeMap::from([
        ("mchid".to_owned(), config.mchid.clone()),
        ("total_fee".to_owned(), total_fee.to_string()),
        ("out_trade_no".to_owned(), out_trade_no.to_string()),
        ("body".to_owned(), config.body.clone()),
        ("notify_url".to_owned(), notify_url.to_string()),
    ]);
    if channel == Channel::MiniApp {
        let nonce: [u8; 16] = rand::random();
        params.insert("nonce".to_owned(), hex::encode(nonce));
    }
    signed(params, &config.key)
}

/// Where the payer opens PayJS's cashier, which makes the order of these signed parameters.
pub fn cashier_url(config: &crate::config::PayJs, params: &Params) -> Result<Url, url::ParseError> {
    let mut url = config.api_base.join("cashier")?;
    url.set_query(Some(&form::write(params)));
    Ok(url)
}

fn signed(mut params: Params, key: &SecretString) -> Params {
    let signature = sign::sign(&params, key);
    params.insert(SIGN.to_owned(), signature);
    params
}
