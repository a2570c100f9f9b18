//! The notify: PayJS's callback that an order was paid.

use super::Client;
use crate::{
    config,
    form::{self, FormError},
    gateway::{Gateway, NotifyError, Payment},
    sign::{self, Params},
};

/// Why a body does not have the shape of a notify.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum ShapeError {
    /// Not a form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A field of every notify is missing or empty.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field that no notify has: the body is a replay of another message of PayJS.
    #[error("a notify has no field {0}")]
    Foreign(&'static str),
    /// A field has a value that no notify has.
    #[error("the field {0} has a value that no notify has")]
    Value(&'static str),
}

const LONGEST_ID: usize = 64;
/// Fields of other signed messages: the parameters of an order, the replies of `native` and `check`.
const FOREIGN: [&str; 5] = ["nonce", "status", "code_url", "qrcode", "return_msg"];

impl Client {
    pub(in crate::gateway) fn read_notify(&self, body: &[u8]) -> Result<Payment, NotifyError> {
        read(body, &self.config)
    }
}

fn read(body: &[u8], config: &config::PayJs) -> Result<Payment, NotifyError> {
    let malformed = |error: ShapeError| NotifyError::Malformed(error.to_string());
    let form = form::parse(body).map_err(|error| malformed(error.into()))?;
    let payment = payment(&form).map_err(malformed)?;
    if !sign::verify(&form, &config.key) {
        return Err(NotifyError::Forged);
    }
    if form.get("mchid") != Some(&config.mchid) {
        return Err(NotifyError::OtherMerchant);
    }
    Ok(payment)
}

/// Parses the fields of a form with the shape of a notify.
fn payment(form: &Params) -> Result<Payment, ShapeError> {
    if let Some(name) = FOREIGN.into_iter().find(|name| form.contains_key(*name)) {
        return Err(ShapeError::Foreign(name));
    }
    require(form, sign::SIGN)?;
    require(form, "mchid")?;
    if require(form, "return_code")? != "1" {
        return Err(ShapeError::Value("return_code"));
    }
    Ok(Payment {
        gateway: Gateway::Payjs,
        out_trade_no: value(form, "out_trade_no")?,
        total_fee: value(form, "total_fee")?,
        payment_id: id(form, "payjs_order_id")?,
        transaction_id: id(form, "transaction_id")?,
        paid_at: id(form, "time_end")?,
    })
}

fn require<'a>(form: &'a Params, name: &'static str) -> Result<&'a str, ShapeError> {
    form.get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .ok_or(ShapeError::Missing(name))
}

fn value<T: std::str::FromStr>(form: &Params, name: &'static str) -> Result<T, ShapeError> {
    require(form, name)?
        .parse()
        .map_err(|_| ShapeError::Value(name))
}

fn id(form: &Params, name: &'static str) -> Result<String, ShapeError> {
    let text = set(require(form, name)?).filter(|text| text.len() <= LONGEST_ID);
    text.map(str::to_owned).ok_or(ShapeError::Value(name))
}

/// A text of PayJS that is set: unpaid orders have `0` in the place of a number.
pub(super) fn set(text: &str) -> Option<&str> {
    (text != "0").then_some(text)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;
    use crate::{config::defaults, form, sign::Params};

    const KEY: &str = "EXAMPLEKEY123456";
    const MCHID: &str = "1600000001";

    static MERCHANT: LazyLock<config::PayJs> =
        LazyLock::new(|| defaults().unwrap()["payjs"].clone().try_into().unwrap());

    fn notify() -> Params {
        [
            ("return_code", "1"),
            ("total_fee", "990"),
            ("out_trade_no", "QR20250101123456ABCDEF"),
            ("payjs_order_id", "2025010112345600512345678"),
            ("transaction_id", "4200000000202501010000000001"),
            ("time_end", "2025-01-01 12:35:10"),
            ("openid", "oEXAMPLE1234567890abcdefghij"),
            ("mchid", MCHID),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn body(mut params: Params) -> String {
        let key = SecretString::from(KEY);
        let signature = sign::sign(&params, &key);
        params.insert("sign".to_owned(), signature);
        form::write(&params)
    }

    fn read(body: &[u8], key: &str) -> Result<Payment, NotifyError> {
        let mut config = MERCHANT.clone();
        config.mchid = MCHID.to_owned();
        config.key = key.into();
        super::read(body, &config)
    }

    /// What is wrong with the shape of a body.
    fn shape(body: &str) -> ShapeError {
        let form = form::parse(body.as_bytes());
        form.map_err(ShapeError::from)
            .and_then(|form| payment(&form))
            .unwrap_err()
    }

    #[test]
    fn a_notify_is_read_with_fields_that_payjs_may_add() {
        let mut params = notify();
        params.insert("type".to_owned(), "alipay".to_owned());
        params.insert("added_later".to_owned(), String::new());
        let body = body(params);
        let payment = read(body.as_bytes(), KEY).unwrap();
        assert_eq!(payment.total_fee.fen(), 990);
        assert_eq!(read(body.as_bytes(), "another"), Err(NotifyError::Forged));
    }

    #[test]
    fn other_signed_messages_of_payjs_are_no_notifies() {
        for (change, refused) in [
            (&[("nonce", "n1")][..], ShapeError::Foreign("nonce")),
            (
                &[
                    ("qrcode", "https://payjs.cn/qrcode/x"),
                    ("code_url", "weixin://x"),
                ],
                ShapeError::Foreign("code_url"),
            ),
            (
                &[("return_msg", "SUCCESS")],
                ShapeError::Foreign("return_msg"),
            ),
            (
                &[("status", "0"), ("transaction_id", "0"), ("paid_time", "0")],
                ShapeError::Foreign("status"),
            ),
            (
                &[("transaction_id", "0")],
                ShapeError::Value("transaction_id"),
            ),
            (
                &[("transaction_id", "")],
                ShapeError::Missing("transaction_id"),
            ),
            (&[("return_code", "0")], ShapeError::Value("return_code")),
            (&[("total_fee", "0")], ShapeError::Value("total_fee")),
            (&[("total_fee", "9.9")], ShapeError::Value("total_fee")),
            (
                &[("out_trade_no", "a:b")],
                ShapeError::Value("out_trade_no"),
            ),
        ] {
            let mut params = notify();
            params.extend(
                change
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
            );
            assert_eq!(shape(&body(params)), refused);
        }
    }

    #[test]
    fn a_notify_of_another_merchant_is_told_from_a_forged_one() {
        let mut params = notify();
        params.insert("mchid".to_owned(), "1600000002".to_owned());
        let other = body(params);
        assert_eq!(read(other.as_bytes(), KEY), Err(NotifyError::OtherMerchant));
        assert_eq!(read(other.as_bytes(), "another"), Err(NotifyError::Forged));
    }

    #[test]
    fn every_required_field_is_required_and_none_stands_twice() {
        for name in [
            "return_code",
            "payjs_order_id",
            "transaction_id",
            "time_end",
            "total_fee",
            "out_trade_no",
            "mchid",
        ] {
            let mut params = notify();
            params.remove(name);
            assert_eq!(shape(&body(params)), ShapeError::Missing(name));
        }
        assert_eq!(shape(&form::write(&notify())), ShapeError::Missing("sign"));
        let twice = format!("{}&total_fee=1", body(notify()));
        assert_eq!(
            shape(&twice),
            ShapeError::Form(FormError::Twice("total_fee".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            assert!(read(&bytes, KEY).is_err());
        }

        #[test]
        fn a_changed_amount_is_never_signed(fee in 1u32..=1_000_000) {
            prop_assume!(fee != 990);
            let forged = body(notify()).replace("total_fee=990", &format!("total_fee={fee}"));
            prop_assert_eq!(read(forged.as_bytes(), KEY), Err(NotifyError::Forged));
        }
    }
}
