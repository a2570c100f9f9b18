//! Requests as they go over the wire.

use heyi_common::{config::Config, form, sign};
use heyi_testkit::world::{data, now, signed_at};

/// WeChat on a phone.
const WECHAT: &str = "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
     Chrome/116.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.50.2701 NetType/WIFI Language/zh_CN";

/// An order with all platforms, signed by its owner. Each `number` makes another.
pub(crate) fn new_order(config: &Config, number: u32) -> Vec<u8> {
    let openid = format!("oBench{number:022}");
    let data = data(&openid, &format!("code {number}")).to_string();
    let pairs = [("data", data.as_str()), ("totalFee", "990")];
    post("/newOrder", &signed(config, "/newOrder", &openid, &pairs))
}

/// A notify, signed by PayJS. Each `number` makes another.
pub(crate) fn notify(config: &Config, number: u32) -> Vec<u8> {
    post("/notify", &crate::notify::notify(&config.payjs, number).1)
}

/// A notify with this signed body.
pub(crate) fn notify_of(form: &str) -> Vec<u8> {
    post("/notify", form)
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

/// Somebody scans a code with WeChat.
pub(crate) fn scan(id: &str) -> Vec<u8> {
    format!(
        "GET /qr?id={id} HTTP/1.1\r\nhost: localhost\r\nuser-agent: {WECHAT}\r\n\
         accept: text/html\r\naccept-encoding: gzip, deflate, br\r\naccept-language: zh-CN,zh;q=0.9\r\n\r\n"
    )
    .into_bytes()
}

/// Somebody asks what became of an order.
pub(crate) fn check_order(out_trade_no: &str) -> Vec<u8> {
    get(&format!("/checkOrder?out_trade_no={out_trade_no}"))
}

/// A person's list, signed.
pub(crate) fn reflash(config: &Config, openid: &str) -> Vec<u8> {
    let query = signed(config, "/reflash", openid, &[("openId", openid)]);
    get(&format!("/reflash?{query}"))
}

/// The form of a request that a person signs now.
fn signed(config: &Config, route: &str, openid: &str, pairs: &[(&str, &str)]) -> String {
    let epoch = sign::epoch(now(), config.sign.epoch);
    let key = sign::person_key(&config.sign.session_secret, openid, epoch);
    form::write(&signed_at(now(), route, pairs, &key))
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

fn post(path: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
    )
    .into_bytes()
}
