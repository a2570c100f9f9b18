//! Notifies.

use heyi_common::{config, form, store::Payment};
use heyi_testkit::world::signed_plainly;

/// The number of an order that nobody made and the signed body of its notify. Each `number` makes another.
pub(crate) fn notify(config: &config::PayJs, number: u32) -> (String, String) {
    let out_trade_no = format!("20250101000000{number:018}");
    let form = notify_of(config, &out_trade_no, &payment(number));
    (out_trade_no, form)
}

/// The signed body of the notify of an order.
pub(crate) fn notify_of(config: &config::PayJs, out_trade_no: &str, payment: &Payment) -> String {
    let params = signed_plainly(
        &[
            ("return_code", "1"),
            ("total_fee", "990"),
            ("out_trade_no", out_trade_no),
            ("payjs_order_id", &payment.payjs_order_id),
            ("transaction_id", &payment.transaction_id),
            ("time_end", &payment.paid_at),
            ("openid", "oPAYJS00000000000000000000000"),
            ("mchid", &config.mchid),
        ],
        &config.key,
    );
    form::write(&params)
}

/// A payment. Each `number` makes another.
pub(crate) fn payment(number: u32) -> Payment {
    Payment {
        payjs_order_id: format!("20250101123456{number:011}"),
        transaction_id: format!("4200000000202501{number:012}"),
        paid_at: "2025-01-01 12:34:56".to_owned(),
    }
}
