//! The notify: PayJS's asynchronous call that says an order was paid.

use secrecy::SecretString;

use crate::{
    form::{self, FormError},
    gateway::{Gateway, Payment, PaymentRef},
    order::{Fee, OutTradeNo},
    sign::{self, Params},
};

/// Why a body is not a notify of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotifyError {
    /// Not a form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A field that every notify has is missing or empty.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field that no notify has, so this is another message of PayJS that somebody sends again.
    #[error("a notify has no field {0}")]
    Foreign(&'static str),
    /// A field has a value that no notify has.
    #[error("the field {0} has a value that no notify has")]
    Value(&'static str),
    /// Of another merchant.
    #[error("the notify is for another merchant")]
    Merchant,
}

/// A body with the shape of a notify. Its signature is checked by [`Notify::is_signed`].
#[derive(Debug, Clone)]
pub struct Notify {
    form: Params,
    /// Our number of the order.
    pub out_trade_no: OutTradeNo,
    /// PayJS's number of the order.
    pub payjs_order_id: String,
    /// The number that the payer sees in WeChat or Alipay.
    pub transaction_id: String,
    /// The amount that was paid.
    pub total_fee: Fee,
    /// When it was paid, as PayJS wrote it (its time zone is not documented).
    pub time_end: String,
}

const LONGEST_ID: usize = 64;
/// Fields of other signed messages: the parameters of an order, the replies of `native` and `check`.
const FOREIGN: [&str; 5] = ["nonce", "status", "code_url", "qrcode", "return_msg"];

impl Notify {
    /// Reads a body and checks its shape and merchant, but not its signature.
    pub fn parse(body: &[u8], mchid: &str) -> Result<Self, NotifyError> {
        let form = form::parse(body)?;
        if let Some(name) = FOREIGN.into_iter().find(|name| form.contains_key(*name)) {
            return Err(NotifyError::Foreign(name));
        }
        require(&form, sign::SIGN)?;
        if require(&form, "return_code")? != "1" {
            return Err(NotifyError::Value("return_code"));
        }
        if require(&form, "mchid")? != mchid {
            return Err(NotifyError::Merchant);
        }
        Ok(Self {
            out_trade_no: value(&form, "out_trade_no")?,
            total_fee: value(&form, "total_fee")?,
            payjs_order_id: id(&form, "payjs_order_id")?,
            transaction_id: id(&form, "transaction_id")?,
            time_end: id(&form, "time_end")?,
            form,
        })
    }

    /// Whether the signature is PayJS's.
    pub fn is_signed(&self, key: &SecretString) -> bool {
        sign::verify(&self.form, key)
    }

    /// What it reports.
    pub fn payment(&self) -> Payment {
        Payment {
            gateway: Gateway::Payjs,
            payment_id: self.payjs_order_id.clone(),
            transaction_id: self.transaction_id.clone(),
            out_trade_no: self.out_trade_no.clone(),
            total_fee: self.total_fee,
            paid_at: self.time_end.clone(),
        }
    }
}

/// The number of the order in a notify or an answer, which need not be verified.
pub fn order_in(form: &str) -> Option<OutTradeNo> {
    let form = form::parse(form.as_bytes()).ok()?;
    form.get("out_trade_no")?.parse().ok()
}

/// The payment in a notify or an answer, which need not be verified.
pub fn payment_in(form: &str) -> Option<PaymentRef> {
    let form = form::parse(form.as_bytes()).ok()?;
    Some(PaymentRef {
        out_trade_no: form.get("out_trade_no")?.parse().ok()?,
        payment_id: form.get("payjs_order_id")?.clone(),
    })
}

/// The amount in a notify or an answer, which need not be verified.
pub fn fee_in(form: &str) -> Option<Fee> {
    let form = form::parse(form.as_bytes()).ok()?;
    form.get("total_fee")?.parse().ok()
}

fn require<'a>(form: &'a Params, name: &'static str) -> Result<&'a str, NotifyError> {
    form.get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .ok_or(NotifyError::Missing(name))
}

fn value<T: std::str::FromStr>(form: &Params, name: &'static str) -> Result<T, NotifyError> {
    require(form, name)?
        .parse()
        .map_err(|_| NotifyError::Value(name))
}

/// A text of PayJS that is set: unpaid orders have `0` where a paid one has a number.
fn id(form: &Params, name: &'static str) -> Result<String, NotifyError> {
    let text = require(form, name)?;
    if text == "0" || text.len() > LONGEST_ID {
        return Err(NotifyError::Value(name));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "EXAMPLEKEY123456";
    const MCHID: &str = "1600000001";

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

    fn parse(body: &str) -> Result<Notify, NotifyError> {
        Notify::parse(body.as_bytes(), MCHID)
    }

    #[test]
    fn a_notify_is_read_with_fields_that_payjs_may_add() {
        let mut params = notify();
        params.insert("type".to_owned(), "alipay".to_owned());
        params.insert("added_later".to_owned(), String::new());
        let body = body(params);
        let notify = parse(&body).unwrap();
        assert!(notify.is_signed(&SecretString::from(KEY)));
        assert!(!notify.is_signed(&SecretString::from("another")));
        assert_eq!(notify.total_fee.fen(), 990);
    }

    #[test]
    fn other_signed_messages_of_payjs_are_no_notifies() {
        for (change, refused) in [
            (&[("nonce", "n1")][..], NotifyError::Foreign("nonce")),
            (
                &[
                    ("qrcode", "https://payjs.cn/qrcode/x"),
                    ("code_url", "weixin://x"),
                ],
                NotifyError::Foreign("code_url"),
            ),
            (
                &[("return_msg", "SUCCESS")],
                NotifyError::Foreign("return_msg"),
            ),
            (
                &[("status", "0"), ("transaction_id", "0"), ("paid_time", "0")],
                NotifyError::Foreign("status"),
            ),
            (
                &[("transaction_id", "0")],
                NotifyError::Value("transaction_id"),
            ),
            (
                &[("transaction_id", "")],
                NotifyError::Missing("transaction_id"),
            ),
            (&[("return_code", "0")], NotifyError::Value("return_code")),
            (&[("total_fee", "0")], NotifyError::Value("total_fee")),
            (&[("total_fee", "9.9")], NotifyError::Value("total_fee")),
            (
                &[("out_trade_no", "a:b")],
                NotifyError::Value("out_trade_no"),
            ),
            (&[("mchid", "1600000002")], NotifyError::Merchant),
        ] {
            let mut params = notify();
            params.extend(
                change
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
            );
            assert_eq!(parse(&body(params)).unwrap_err(), refused);
        }
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
            assert_eq!(
                parse(&body(params)).unwrap_err(),
                NotifyError::Missing(name)
            );
        }
        assert_eq!(
            parse(&form::write(&notify())).unwrap_err(),
            NotifyError::Missing("sign")
        );
        let twice = format!("{}&total_fee=1", body(notify()));
        assert_eq!(
            parse(&twice).unwrap_err(),
            NotifyError::Form(FormError::Twice("total_fee".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Notify::parse(&bytes, MCHID);
        }

        #[test]
        fn a_changed_amount_is_never_signed(fee in 1u32..=1_000_000) {
            prop_assume!(fee != 990);
            let forged = body(notify()).replace("total_fee=990", &format!("total_fee={fee}"));
            prop_assert!(!parse(&forged).unwrap().is_signed(&SecretString::from(KEY)));
        }
    }
}
