//! The platforms whose receive codes can be merged: one table, from which everything else derives.
//!
//! Parsing, default patterns, labels and colours of pages and posters, scanner detection, samples of the sandbox and the
//! client's list all read [`Platform::row`]. To add a platform, add a row.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The data of a platform.
#[derive(Debug)]
pub struct Row {
    /// The name in JSON, in the database and in settings.
    pub key: &'static str,
    /// The app, as people call it in Chinese.
    pub chinese: &'static str,
    /// The same in English.
    pub english: &'static str,
    /// One character that stands for it.
    pub glyph: &'static str,
    /// The colour of the app as RGB. White text on it must be readable.
    pub colour: u32,
    /// Parts of a `User-Agent`, one of which the app sends.
    pub agent_marks: &'static [&'static str],
    /// The order in which marks are checked: an app may name other apps too.
    pub agent_rank: u8,
    /// The end of the app's `User-Agent`, for samples.
    pub agent: &'static str,
    /// Default patterns of its receive codes: regular expressions over the whole payload. If empty, the platform is not
    /// offered until an operator sets one.
    pub patterns: &'static [&'static str],
    /// Default patterns of its other codes, which are accepted only with `data.confirmed`: perhaps new receive codes, perhaps
    /// red packets, contact cards or orders. They name the whole host, since the payload goes into pages.
    pub other_patterns: &'static [&'static str],
    /// A payload of a known form without an owner.
    pub sample: Option<&'static str>,
}

macro_rules! platforms {
    ($($(#[$doc:meta])+ $platform:ident = $row:expr,)+) => {
        /// A platform whose receive codes can be merged.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum Platform {
            $($(#[$doc])+ $platform,)+
        }

        impl Platform {
            /// Every platform, in the order in which they are shown.
            pub const ALL: [Self; ROWS.len()] = [$(Self::$platform),+];
        }

        static ROWS: [Row; [$(stringify!($platform)),+].len()] = [$($row),+];
    };
}

platforms! {
    /// WeChat Pay (微信支付).
    Wechat = Row {
        key: "wechat",
        chinese: "微信",
        english: "WeChat",
        glyph: "微",
        colour: 0x07_80_3C,
        agent_marks: &["MicroMessenger/"],
        agent_rank: 1,
        agent: "MicroMessenger/8.0.50 NetType/WIFI Language/zh_CN",
        patterns: &[
            r"wxp://f2f[01][A-Za-z0-9_-]{30,100}={0,2}",
            r"https://wx\.tenpay\.com/f2f\?t=[A-Za-z0-9_%-]{16,160}",
            r"https://payapp\.(weixin\.qq\.com|wechatpay\.cn)/(sjt/)?qr/[A-Za-z0-9_-]{8,120}={0,2}(\?t=[A-Za-z0-9_.%-]{1,40})?(#wechat_pay)?",
            r"https://payapp\.(weixin\.qq\.com|wechatpay\.cn)/qrpay/order/home[0-9]?\?key=[A-Za-z0-9_.%-]{8,120}={0,2}(#wechat_pay)?",
        ],
        other_patterns: &[
            r"wxp://[A-Za-z0-9_-]{24,200}={0,2}",
            r"https://(wx\.tenpay\.com|payapp\.weixin\.qq\.com|payapp\.wechatpay\.cn)/[A-Za-z0-9_.%/-]{2,100}(\?[A-Za-z0-9_=&.%-]{1,200})?(#wechat_pay)?",
        ],
        sample: Some("wxp://f2f0EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-"),
    },
    /// Alipay (支付宝).
    Alipay = Row {
        key: "alipay",
        chinese: "支付宝",
        english: "Alipay",
        glyph: "支",
        colour: 0x0F_62_E6,
        agent_marks: &["AlipayClient/", "AliApp(AP/"],
        agent_rank: 0,
        agent: "AliApp(AP/10.5.80.8000) AlipayClient/10.5.80.8000 Language/zh-Hans",
        // The first characters of an id: fkx and 2m6 are people, stx and tsx shops, a6x and ap are from earlier years.
        patterns: &[
            r"https://qr\.alipay\.com/((fkx|2m6|stx|tsx|a6x)[A-Za-z0-9]{7,37}|ap[a-z0-9]{16})(\?(t=[0-9]{1,20}|_s=[a-z-]{1,20}))?",
            r"HTTPS://QR\.ALIPAY\.COM/((FKX|2M6|STX|TSX|A6X)[A-Z0-9]{7,37}|AP[A-Z0-9]{16})(\?[Tt]=[0-9]{1,20})?",
        ],
        other_patterns: &[
            r"(https://qr\.alipay\.com|HTTPS://QR\.ALIPAY\.COM)/[A-Za-z0-9]{10,40}(\?[A-Za-z0-9_=&%-]{1,100})?",
        ],
        sample: Some("https://qr.alipay.com/fkx00000EXAMPLE000000"),
    },
    /// QQ Wallet (QQ 钱包).
    Qq = Row {
        key: "qq",
        chinese: "QQ",
        english: "QQ",
        glyph: "Q",
        colour: 0x09_73_B3,
        agent_marks: &["QQ/"],
        agent_rank: 4,
        agent: "MQQBrowser/6.2 TBS/046613 V1_AND_SQ_8.9.80_0_YYB_D QQ/8.9.80.12440 NetType/WIFI",
        // It contains a nickname, unencoded.
        patterns: &[
            r#"https://i\.qianbao\.qq\.com/wallet/sqrcode\.htm\?[^\p{Cc}\p{Zl}\p{Zp}"\x27<>\\`{|}^]{20,}"#,
        ],
        other_patterns: &[
            r"https://i\.qianbao\.qq\.com/[A-Za-z0-9_.%/-]{2,100}(\?[A-Za-z0-9_=&.%+~\p{Han}-]{1,})?",
        ],
        sample: Some(
            "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&a=1&u=10001&ac=\
             00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff&n=heyi",
        ),
    },
    /// UnionPay (云闪付).
    Unionpay = Row {
        key: "unionpay",
        chinese: "云闪付",
        english: "UnionPay",
        glyph: "云",
        colour: 0x0B_71_83,
        // Bank apps too, which read UnionPay's codes.
        agent_marks: &["UnionPay/", "com.unionpay."],
        agent_rank: 3,
        agent: "(com.unionpay.chsp) (UnionPay/1.0 CloudPay)",
        patterns: &[
            r"https://qr\.95516\.com/[0-9]{8}/[A-Za-z0-9]{4,64}",
            r"HTTPS://QR\.95516\.COM/[0-9]{8}/[A-Z0-9]{4,64}",
        ],
        other_patterns: &[
            r"(https://qr\.95516\.com|HTTPS://QR\.95516\.COM)/[A-Za-z0-9_.%/-]{2,100}(\?[A-Za-z0-9_=&.%-]{1,200})?",
        ],
        sample: Some("https://qr.95516.com/00010000/000000000000000000000000000000"),
    },
    /// JD Pay (京东支付).
    Jd = Row {
        key: "jd",
        chinese: "京东",
        english: "JD",
        glyph: "京",
        colour: 0xCC_1F_1F,
        // The app, its light edition, Jingxi, and JD Finance, which also names UnionPay as a means of payment.
        agent_marks: &["jdapp;", "jdltapp;", "jdpingou;", "JDJR"],
        agent_rank: 2,
        agent: "jdapp;android;12.3.1; MQQBrowser/6.2 TBS/046613",
        patterns: &[r"https://h5pay\.jd\.com/c2cIndex\?t=[A-Fa-f0-9]{16,256}"],
        other_patterns: &[
            r"https://h5pay\.jd\.com/[A-Za-z0-9_.%/-]{2,100}(\?[A-Za-z0-9_=&.%-]{1,300})?",
        ],
        sample: Some(
            "https://h5pay.jd.com/c2cIndex?t=00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff",
        ),
    },
    /// Digital yuan (数字人民币). The form of its receive codes is not known, so an operator sets the pattern.
    Ecny = Row {
        key: "ecny",
        chinese: "数字人民币",
        english: "e-CNY",
        glyph: "数",
        colour: 0xB8_22_2C,
        // No mark of the app is known, so it counts as any phone.
        agent_marks: &[],
        agent_rank: 5,
        agent: "",
        patterns: &[],
        other_patterns: &[],
        sample: None,
    },
}

impl Platform {
    /// Its row in the table.
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name used in JSON and in the database.
    pub fn name(self) -> &'static str {
        self.row().key
    }

    /// The platform with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|platform| platform.name() == name)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_those_of_serde_and_nothing_is_given_twice() {
        for platform in Platform::ALL {
            assert_eq!(serde_json::to_value(platform).unwrap(), platform.name());
            assert_eq!(Platform::named(platform.name()), Some(platform));
        }
        let ranks: BTreeSet<u8> = ROWS.iter().map(|row| row.agent_rank).collect();
        assert_eq!(ranks.len(), ROWS.len());
        assert_eq!(Platform::named("paypal"), None);
    }

    #[test]
    fn white_text_is_readable_on_every_colour() {
        for row in &ROWS {
            // WCAG 2: relative luminance, and the contrast to white.
            let channel = |shift: u32| {
                let value = f64::from((row.colour >> shift) & 0xFF) / 255.0;
                if value <= 0.04045 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            let luminance = 0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0);
            assert!(1.05 / (luminance + 0.05) >= 4.5, "{}", row.key);
        }
    }

    #[test]
    fn a_sample_is_there_where_a_pattern_is() {
        for row in &ROWS {
            assert_eq!(
                row.sample.is_some(),
                !row.patterns.is_empty(),
                "{}",
                row.key
            );
        }
    }
}
