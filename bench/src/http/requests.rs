//! Requests as they go over the wire.

use heyi_common::{config::Config, form, sign};
use heyi_sandbox::world::{data, signed};

/// An order with all platforms, signed by its owner. Each `number` makes another.
pub(crate) fn new_order(config: &Config, number: u32) -> Vec<u8> {
    let openid = format!("oBench{number:022}");
    let data = data(&openid, &format!("code {number}")).to_string();
    let key = sign::person_key(&config.sign.session_secret, &openid);
    let params = signed(&[("data", &data), ("totalFee", "990")], &key);
    post("/newOrder", &form::write(&params))
}

/// A notify, signed by PayJS. Each `number` makes another.
pub(crate) fn notify(config: &Config, number: u32) -> Vec<u8> {
    post("/notify", &crate::notify::notify(&config.payjs, number).1)
}

/// A notify that looks like one of the merchant's, but for its signature. Each `number` makes another.
pub(crate) fn forged_notify(mchid: &str, number: u32) -> Vec<u8> {
    let payjs_order_id = format!("20250101123456{number:011}");
    let form = format!(
        "return_code=1&total_fee=990&out_trade_no=20250101000000{number:018}&payjs_order_id={payjs_order_id}\
         &transaction_id=4200000000202501{number:012}&time_end=2025-01-01+12%3A34%3A56\
         &openid=oPAYJS00000000000000000000000&mchid={mchid}&sign=0123456789ABCDEF0123456789ABCDEF"
    );
    post("/notify", &form)
}

fn post(path: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
    )
    .into_bytes()
}
