//! Made-up uploads of the known forms.

use serde_json::{Value, json};

/// A payload of each platform, each obviously nobody's.
pub fn payloads() -> Value {
    let hex = "00ff".repeat(16);
    json!({
        "wechat": format!("wxp://f2f0{}", "EXAMPLE-".repeat(6)),
        "alipay": "https://qr.alipay.com/fkx00000EXAMPLE000000",
        "qq": format!("https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&a=1&u=10001&ac={hex}&n=heyi"),
        "unionpay": "https://qr.95516.com/00010000/000000000000000000000000000000",
        "jd": format!("https://h5pay.jd.com/c2cIndex?t={hex}"),
    })
}

/// The `data` of an order with all platforms.
pub fn data(openid: &str, name: &str) -> Value {
    json!({ "openId": openid, "name": name, "payloads": payloads() })
}
