//! Requests as they go over the wire.

use heyi_common::{config::Config, form, sign};
use heyi_sandbox::world::{data, signed};

/// An order with all platforms, signed by its owner. Each `number` makes another.
pub(super) fn new_order(config: &Config, number: u32) -> Vec<u8> {
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

fn post(path: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
    )
    .into_bytes()
}
