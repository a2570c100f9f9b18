//! Notifies of PayJS.

use heyi_common::{
    form,
    gateway::{Gateway, Payment},
    order::{Fee, OutTradeNo},
};
use heyi_testkit::world::signed_plainly;
use secrecy::SecretString;

const PAID_AT: &str = "2025-01-01 12:34:56";

/// The number of an order that does not exist. Each `number` gives another.
pub(crate) fn out_trade_no(number: u32) -> String {
    format!("20250101000000{number:018}")
}

/// The signed body of the notify of an order.
pub(crate) fn form(mchid: &str, key: &SecretString, out_trade_no: &str, number: u32) -> String {
    let params = signed_plainly(
        &[
            ("return_code", "1"),
            ("total_fee", "990"),
            ("out_trade_no", out_trade_no),
            ("payjs_order_id", &payment_id(number)),
            ("transaction_id", &transaction_id(number)),
            ("time_end", PAID_AT),
            ("openid", "oPAYJS00000000000000000000000"),
            ("mchid", mchid),
        ],
        key,
    );
    form::write(&params)
}

/// The payment of an order's notify.
pub(crate) fn payment(number: u32, out_trade_no: OutTradeNo, total_fee: Fee) -> Payment {
    Payment {
        gateway: Gateway::Payjs,
        payment_id: payment_id(number),
        transaction_id: transaction_id(number),
        out_trade_no,
        total_fee,
        paid_at: PAID_AT.to_owned(),
    }
}

fn payment_id(number: u32) -> String {
    format!("20250101123456{number:011}")
}

fn transaction_id(number: u32) -> String {
    format!("4200000000202501{number:012}")
}
