//! Classifies codes that are not receive codes, by their text.

use std::fmt;

/// The kind of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// WeChat's code of a person.
    WechatFriend,
    /// WeChat's code of a group.
    WechatGroup,
    /// WeChat's code of an official account or a mini-program.
    WechatAccount,
    /// WeChat Pay's code of one order.
    WechatOrder,
    /// QQ's code of a person or a group.
    QqContact,
    /// Alipay's red packet.
    AlipayRedPacket,
    /// Alipay's code of a person.
    AlipayFriend,
    /// Alipay's code of one order.
    AlipayOrder,
    /// Another code of Alipay.
    Alipay,
    /// A code of WeChat Pay, QQ Wallet, UnionPay or JD Pay in an unknown format.
    Payment,
    /// Any other address.
    Link,
    /// The credentials of a wireless network.
    Wifi,
    /// A contact.
    Contact,
    /// Anything else.
    Text,
}

/// Prefixes of addresses, without the scheme, in lower case.
const ADDRESSES: [(&str, Kind); 23] = [
    ("u.wechat.com/", Kind::WechatFriend),
    ("weixin.qq.com/g/", Kind::WechatGroup),
    ("weixin.qq.com/r/", Kind::WechatAccount),
    ("mp.weixin.qq.com/", Kind::WechatAccount),
    ("weixin.qq.com/", Kind::WechatAccount),
    ("work.weixin.qq.com/gm/", Kind::WechatGroup),
    ("work.weixin.qq.com/", Kind::WechatFriend),
    ("qm.qq.com/", Kind::QqContact),
    ("jq.qq.com/", Kind::QqContact),
    ("qun.qq.com/", Kind::QqContact),
    ("qr.alipay.com/c1x", Kind::AlipayRedPacket),
    ("qr.alipay.com/11", Kind::AlipayRedPacket),
    ("qr.alipay.com/a7x", Kind::AlipayFriend),
    ("qr.alipay.com/bax", Kind::AlipayOrder),
    ("qr.alipay.com/", Kind::Alipay),
    ("render.alipay.com/", Kind::Alipay),
    ("ur.alipay.com/", Kind::Alipay),
    ("payapp.weixin.qq.com/", Kind::Payment),
    ("payapp.wechatpay.cn/", Kind::Payment),
    ("wx.tenpay.com/", Kind::Payment),
    ("i.qianbao.qq.com/", Kind::Payment),
    ("qr.95516.com/", Kind::Payment),
    ("h5pay.jd.com/", Kind::Payment),
];

/// Prefixes of other texts, in lower case.
const SCHEMES: [(&str, Kind); 7] = [
    ("weixin://wxpay/", Kind::WechatOrder),
    ("wxp://", Kind::Payment),
    ("wifi:", Kind::Wifi),
    ("begin:vcard", Kind::Contact),
    ("mecard:", Kind::Contact),
    ("tel:", Kind::Contact),
    ("mailto:", Kind::Contact),
];

impl Kind {
    /// The kind of the code with this text.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        let address = ["https://", "http://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let (text, beginnings, other) = match address {
            Some(address) => (address, ADDRESSES.as_slice(), Self::Link),
            None => (text.as_str(), SCHEMES.as_slice(), Self::Text),
        };
        let known = beginnings.iter().find(|(head, _)| text.starts_with(head));
        known.map_or(other, |(_, kind)| *kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WechatFriend => "this is a WeChat friend's code (名片), which nobody can pay",
            Self::WechatGroup => "this is a WeChat group's code (群二维码), which nobody can pay",
            Self::WechatAccount => {
                "this is the code of a WeChat official account or mini-program, which nobody can pay"
            }
            Self::WechatOrder => "this is the code of one order, which ends with its payment",
            Self::QqContact => "this is the code of a QQ friend or group, which nobody can pay",
            Self::AlipayRedPacket => "this is an Alipay red packet (红包), which nobody can pay",
            Self::AlipayFriend => "this is an Alipay friend's code (名片), which nobody can pay",
            Self::AlipayOrder => "this is the code of one Alipay order, which ends with its payment",
            Self::Alipay => "this is a code of Alipay, but not a receive code that we know",
            Self::Payment => {
                "this is a code of a payment platform, but not a receive code that we know"
            }
            Self::Link => "this is a link to a website, not a receive code",
            Self::Wifi => "this is the code of a wireless network, not a receive code",
            Self::Contact => "this is a contact, not a receive code",
            Self::Text => "this is not a receive code that we know",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells() {
        for (text, kind) in [
            ("https://u.wechat.com/EAbC", Kind::WechatFriend),
            ("https://weixin.qq.com/g/AbC", Kind::WechatGroup),
            ("http://weixin.qq.com/r/AbC", Kind::WechatAccount),
            ("https://work.weixin.qq.com/ca/AbC", Kind::WechatFriend),
            ("weixin://wxpay/bizpayurl?pr=AbC", Kind::WechatOrder),
            ("https://qm.qq.com/q/AbC", Kind::QqContact),
            ("HTTPS://QR.ALIPAY.COM/C1X0123", Kind::AlipayRedPacket),
            ("https://qr.alipay.com/11w0123", Kind::AlipayRedPacket),
            ("https://qr.alipay.com/a7x0123", Kind::AlipayFriend),
            ("https://qr.alipay.com/s7x0123", Kind::Alipay),
            ("wxp://f2f7AbC", Kind::Payment),
            ("https://example.com/qr.alipay.com/c1x", Kind::Link),
            ("WIFI:S:heyi;;", Kind::Wifi),
            ("hello", Kind::Text),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
        }
    }
}
