//! Notifies.

use heyi_common::{
    config, form,
    gateway::{Gateway, Payment},
    order::{Fee, OutTradeNo},
};
use heyi_testkit::world::signed_plainly;

/// The number of an order that nobody made and the signed body of its notify. Each `number` makes another.
pub(crate) fn notify(config: &config::PayJs, number: u32) -> (String, String) {
    let out_trade_no = format!("20250101000000{number:018}");
    let form = notify_of(config, &out_trade_no, number);
    (out_trade_no, form)
}

/// The signed body of the notify of an order.
pub(crate) fn notify_of(config: &config::PayJs, out_trade_no: &str, number: u32) -> String {
    let params = signed_plainly(
        &[
            ("return_code", "1"),
            ("total_fee", "990"),
            ("out_trade_no", out_trade_no),
            ("payjs_order_id", &payment_id(number)),
            ("transaction_id", &transaction_id(number)),
            ("time_end", PAID_AT),
            ("openid", "oPAYJS00000000000000000000000"),
            ("mchid", &config.mchid),
        ],
        &config.key,
    );
    form::write(&params)
}

const PAID_AT: &str = "2025-01-01 12:34:56";

fn payment_id(number: u32) -> String {
    format!("20250101123456{number:011}")
}

fn transaction_id(number: u32) -> String {
    format!("4200000000202501{number:012}")
}

/// The payment of an order. Each `number` makes another.
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
