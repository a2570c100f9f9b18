use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::config::DEFAULTS;

fn defaults() -> &'static AllowList {
    static LIST: LazyLock<AllowList> = LazyLock::new(|| {
        let table: toml::Table = DEFAULTS.parse().unwrap();
        table["orders"]["payloads"].clone().try_into().unwrap()
    });
    &LIST
}

#[test]
fn known_forms_pass() {
    let list = defaults();
    let f2f = format!("wxp://f2f0{}", "aZ0_-".repeat(10));
    let hex = "0123456789abcdef".repeat(4);
    for (platform, payload) in [
        (Platform::Wechat, f2f.clone()),
        (Platform::Wechat, format!("{f2f}==")),
        (
            Platform::Wechat,
            "https://wx.tenpay.com/f2f?t=AQAAABBBBCCCCDDDDEEEE%3D".to_owned(),
        ),
        (
            Platform::Wechat,
            "https://payapp.wechatpay.cn/sjt/qr/AbCdEfGhIjKlMnOp".to_owned(),
        ),
        (
            Platform::Alipay,
            "https://qr.alipay.com/fkx0123456789abcdefghi".to_owned(),
        ),
        (
            Platform::Alipay,
            "https://qr.alipay.com/fkx0123456789abcdefghi?t=1700000000000".to_owned(),
        ),
        (
            Platform::Alipay,
            "HTTPS://QR.ALIPAY.COM/FKX0123456789ABCDEFGHI".to_owned(),
        ),
        (
            Platform::Qq,
            format!(
                "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&a=1&u=10001&ac={hex}&n=小店"
            ),
        ),
        (
            Platform::Unionpay,
            "https://qr.95516.com/00010000/012345678901234567890123456789".to_owned(),
        ),
        (
            Platform::Jd,
            format!("https://h5pay.jd.com/c2cIndex?t={hex}"),
        ),
    ] {
        assert_eq!(list.check(platform, &payload), Ok(()), "{payload}");
    }
}

#[test]
fn a_payload_has_a_thousand_characters_at_most() {
    let list = defaults();
    let head = "https://i.qianbao.qq.com/wallet/sqrcode.htm?";
    let long = |length: usize| format!("{head}{}", "小".repeat(length - head.len()));
    assert_eq!(list.check(Platform::Qq, &long(1_000)), Ok(()));
    let refused = Err(PayloadError::Unknown(Platform::Qq));
    assert_eq!(list.check(Platform::Qq, &long(1_001)), refused);
}

#[test]
fn what_only_looks_known_is_refused() {
    let list = defaults();
    let id = "fkx0123456789abcdefghi";
    for (platform, payload, why) in [
        (
            Platform::Alipay,
            format!("http://qr.alipay.com/{id}"),
            "another scheme",
        ),
        (
            Platform::Alipay,
            format!("https://qr.alipay.com.evil.example/{id}"),
            "another host",
        ),
        (
            Platform::Alipay,
            format!("https://qr.alipay.com@evil.example/{id}"),
            "a user before the host",
        ),
        (
            Platform::Alipay,
            format!("https://evil.example/https://qr.alipay.com/{id}"),
            "not from the start",
        ),
        (
            Platform::Alipay,
            format!("https://qr.alipay.com/{id}\n"),
            "a line break after it",
        ),
        (
            Platform::Alipay,
            format!("https://qr.alipay.com/{id}?u=https://evil.example"),
            "an open redirect",
        ),
        (
            Platform::Alipay,
            format!("https://qr.alipay.com/{id}\"><script>"),
            "markup",
        ),
        (Platform::Wechat, "javascript:x".to_owned(), "a script"),
        (Platform::Wechat, "wxp://f2f0short".to_owned(), "too short"),
        (
            Platform::Wechat,
            format!("wxp://f2f0{}", "a".repeat(500)),
            "too long",
        ),
        (
            Platform::Jd,
            format!("https://qr.alipay.com/{id}"),
            "another platform's",
        ),
        (Platform::Qq, String::new(), "nothing"),
    ] {
        assert_eq!(
            list.check(platform, &payload),
            Err(PayloadError::Unknown(platform)),
            "{why}"
        );
    }
}

#[test]
fn payment_codes_are_refused_by_name() {
    let list = defaults();
    for payload in [
        "134567890123456789",
        "101234567890123456",
        "159999999999999999",
        "2512345678901234",
        "281234567890123456",
        "301234567890123456789012",
        "2812 3456 7890 1234 56",
    ] {
        let refused = list.check(Platform::Wechat, payload).unwrap_err();
        assert_eq!(
            refused,
            PayloadError::PaymentCode(Platform::Wechat),
            "{payload}"
        );
        assert!(refused.to_string().contains("付款码"));
    }
    for payload in [
        "161234567890123456",
        "13456789012345678",
        "251234567890123",
        "3112345678901234",
    ] {
        assert_eq!(
            list.check(Platform::Alipay, payload),
            Err(PayloadError::Unknown(Platform::Alipay)),
            "{payload}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_but_a_known_scheme_and_host_gets_through(payload in ".{0,200}") {
        let list = defaults();
        for platform in Platform::ALL {
            if list.check(platform, &payload).is_ok() {
                prop_assert!(begins_as_known(platform, &payload), "{}", payload);
            }
        }
    }

    #[test]
    fn a_known_payload_with_anything_around_it_is_refused(before in ".{1,5}", after in r#"["'<>\\\s{}|^`]{1,5}"#) {
        let list = defaults();
        let known = "https://qr.alipay.com/fkx0123456789abcdefghi";
        let (led, followed) = (before + known, known.to_owned() + &after);
        prop_assert!(!list.knows(Platform::Alipay, &led));
        prop_assert!(!list.knows(Platform::Alipay, &followed));
    }
}

proptest! {
    #[test]
    fn whatever_is_done_to_a_known_payload_only_its_form_gets_through(payload in changed_payload()) {
        let list = defaults();
        for platform in Platform::ALL {
            if list.check(platform, &payload).is_ok() {
                prop_assert!(begins_as_known(platform, &payload), "{payload}");
                prop_assert!(payload.chars().count() <= 700, "{payload}");
                // A nickname stands in QQ's as it is.
                let plain = |c: char| c.is_ascii_graphic() || platform == Platform::Qq && is_han(c);
                prop_assert!(payload.chars().all(plain), "{payload:?}");
                prop_assert!(!payload.contains(['"', '\'', '<', '>', '\\', '`']), "{payload}");
            }
        }
    }

    #[test]
    fn a_payment_code_is_refused_however_it_is_spaced(
        code in "1[0-5][0-9]{16}|2[5-9][0-9]{14,22}|30[0-9]{14,22}",
        blanks in proptest::collection::vec((any::<usize>(), "[ \t\n\u{3000}-]"), 0..6),
    ) {
        let mut spaced: Vec<char> = code.chars().collect();
        for (at, blank) in blanks {
            let at = at % (spaced.len() + 1);
            spaced.splice(at..at, blank.chars());
        }
        let spaced: String = spaced.into_iter().collect();
        for platform in Platform::ALL {
            let refused = defaults().check(platform, &spaced);
            prop_assert_eq!(refused, Err(PayloadError::PaymentCode(platform)), "{:?}", spaced);
        }
    }
}

/// A known payload with some characters put in, taken out, or changed.
fn changed_payload() -> impl Strategy<Value = String> {
    let hex = "00ff".repeat(16);
    let known = proptest::sample::select(vec![
        format!("wxp://f2f0{}", "EXAMPLE-".repeat(6)),
        "https://qr.alipay.com/fkx00000EXAMPLE000000".to_owned(),
        format!(
            "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&a=1&u=10001&ac={hex}&n=heyi"
        ),
        "https://qr.95516.com/00010000/000000000000000000000000000000".to_owned(),
        format!("https://h5pay.jd.com/c2cIndex?t={hex}"),
    ]);
    let put = prop_oneof!["", ".", "[@/?#.%:\\\\\u{0}\n ]", "[a-zA-Z0-9]{1,200}"];
    let change = (any::<usize>(), 0..2_usize, put);
    (known, proptest::collection::vec(change, 0..4)).prop_map(|(known, changes)| {
        let mut text: Vec<char> = known.chars().collect();
        for (at, removed, put) in changes {
            let at = at % (text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, put.chars());
        }
        text.into_iter().collect()
    })
}

fn is_han(c: char) -> bool {
    static HAN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\p{Han}").unwrap());
    HAN.is_match(c.encode_utf8(&mut [0; 4]))
}

fn begins_as_known(platform: Platform, payload: &str) -> bool {
    let heads: &[&str] = match platform {
        Platform::Wechat => &["wxp://f2f", "https://wx.tenpay.com/f2f?", "https://payapp."],
        Platform::Alipay => &["https://qr.alipay.com/", "HTTPS://QR.ALIPAY.COM/"],
        Platform::Qq => &["https://i.qianbao.qq.com/wallet/sqrcode.htm?"],
        Platform::Unionpay => &["https://qr.95516.com/"],
        Platform::Jd => &["https://h5pay.jd.com/c2cIndex?t="],
    };
    heads.iter().any(|head| payload.starts_with(head))
}
