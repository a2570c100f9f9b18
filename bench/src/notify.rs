//! Notifies of orders that nobody made.

use heyi_common::{config, form};
use heyi_sandbox::world::signed;

/// The number of an order and the signed body of its notify. Each `number` makes another.
pub(crate) fn notify(config: &config::PayJs, number: u32) -> (String, String) {
    let out_trade_no = format!("20250101000000{number:018}");
    let payjs_order_id = format!("20250101123456{number:011}");
    let transaction_id = format!("4200000000202501{number:012}");
    let params = signed(
        &[
            ("return_code", "1"),
            ("total_fee", "990"),
            ("out_trade_no", &out_trade_no),
            ("payjs_order_id", &payjs_order_id),
            ("transaction_id", &transaction_id),
            ("time_end", "2025-01-01 12:34:56"),
            ("openid", "oPAYJS00000000000000000000000"),
            ("mchid", &config.mchid),
        ],
        &config.key,
    );
    (out_trade_no, form::write(&params))
}
