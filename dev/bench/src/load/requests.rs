//! Requests as bytes.

use heyi_common::{config::Config, form, sign};
use heyi_testkit::world::{data, now, signed_at};

use crate::{frame::Setup, notify};

/// WeChat on a phone.
const WECHAT: &str = "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
     Chrome/116.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.50.2701 NetType/WIFI Language/zh_CN";

/// An order with all platforms, signed by its owner. Each `number` gives another.
pub(crate) fn new_order(setup: &Setup, number: u32) -> Vec<u8> {
    let openid = format!("oBench{number:022}");
    let data = data(&openid, &format!("code {number}")).to_string();
    let pairs = [("data", data.as_str()), ("totalFee", "990")];
    let form = signed(&setup.config, "/newOrder", &openid, &pairs);
    post("/newOrder", &form)
}

/// A notify, signed by PayJS. Each `number` gives another.
pub(crate) fn notify(setup: &Setup, number: u32) -> Vec<u8> {
    notify_of(&setup.form(&notify::out_trade_no(number), number))
}

/// A notify with this body.
pub(crate) fn notify_of(form: &str) -> Vec<u8> {
    post("/notify", form)
}

/// A scan of a code with WeChat.
pub(crate) fn scan(id: &str) -> Vec<u8> {
    format!(
        "GET /qr?id={id} HTTP/1.1\r\nhost: localhost\r\nuser-agent: {WECHAT}\r\n\
         accept: text/html\r\naccept-encoding: gzip, deflate, br\r\naccept-language: zh-CN,zh;q=0.9\r\n\r\n"
    )
    .into_bytes()
}

/// A query for the code of an order.
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
