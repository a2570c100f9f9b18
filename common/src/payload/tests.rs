use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::config::defaults;

fn forms() -> &'static AllowList {
    static LIST: LazyLock<AllowList> = LazyLock::new(|| {
        let table = defaults().unwrap();
        table["orders"]["payloads"].clone().try_into().unwrap()
    });
    &LIST
}

#[test]
fn known_forms_pass() {
    let list = forms();
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
        assert_eq!(list.check(platform, &payload, false), Ok(()), "{payload}");
    }
}

#[test]
fn forms_that_shops_and_newer_apps_use_pass() {
    let list = forms();
    let hex = "0123456789abcdef".repeat(4);
    for (platform, payload) in [
        (
            Platform::Wechat,
            "https://payapp.weixin.qq.com/qrpay/order/home2?key=idc_CHNDVI_AbCdEfGhIjKlMnOp--"
                .to_owned(),
        ),
        (
            Platform::Wechat,
            "https://payapp.weixin.qq.com/qr/AbCdEfGhIjKlMnOp?t=a1B2#wechat_pay".to_owned(),
        ),
        (
            Platform::Alipay,
            "HTTPS://QR.ALIPAY.COM/FKX0123456789ABCDEFGHI?t=1700000000000".to_owned(),
        ),
        (
            Platform::Alipay,
            "https://qr.alipay.com/stx0123456789abcdefghi".to_owned(),
        ),
        (
            Platform::Qq,
            format!(
                "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&u=10001&a=1&n=小 店·😀ル&ac={hex}"
            ),
        ),
        (
            Platform::Unionpay,
            "https://qr.95516.com/01020304/123456".to_owned(),
        ),
    ] {
        assert_eq!(list.check(platform, &payload, false), Ok(()), "{payload}");
    }
}

#[test]
fn a_payload_has_a_thousand_characters_at_most() {
    let list = forms();
    let head = "https://i.qianbao.qq.com/wallet/sqrcode.htm?";
    let long = |length: usize| format!("{head}{}", "小".repeat(length - head.len()));
    assert_eq!(list.check(Platform::Qq, &long(1_000), false), Ok(()));
    let refused = Err(PayloadError::Unknown(Platform::Qq));
    assert_eq!(list.check(Platform::Qq, &long(1_001), false), refused);
}

#[test]
fn what_only_looks_known_is_refused() {
    let list = forms();
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
            list.check(platform, &payload, false),
            Err(PayloadError::Unknown(platform)),
            "{why}"
        );
    }
}

#[test]
fn payment_codes_are_refused_by_name() {
    let list = forms();
    for payload in [
        "134567890123456789",
        "101234567890123456",
        "159999999999999999",
        "2512345678901234",
        "281234567890123456",
        "301234567890123456789012",
        "2812 3456 7890 1234 56",
        "912345678901234567",
        "6212345678901234567",
        "6212 3456 7890 1234 567",
        "181234567890123456",
    ] {
        let refused = list.check(Platform::Wechat, payload, false).unwrap_err();
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
            list.check(Platform::Alipay, payload, false),
            Err(PayloadError::Unknown(Platform::Alipay)),
            "{payload}"
        );
    }
}

#[test]
fn other_codes_of_a_platform_must_be_confirmed() {
    let list = forms();
    for (platform, payload) in [
        (
            Platform::Alipay,
            "https://qr.alipay.com/c1x0123456789abcdefghij",
        ),
        (
            Platform::Alipay,
            "https://qr.alipay.com/11w0123456789abcdefghij",
        ),
        (
            Platform::Alipay,
            "https://qr.alipay.com/a7x0123456789abcdefghij",
        ),
        (
            Platform::Alipay,
            "https://qr.alipay.com/bax0123456789abcdefghij",
        ),
        (
            Platform::Alipay,
            "HTTPS://QR.ALIPAY.COM/ZZX0123456789ABCDEFGHIJ",
        ),
        (
            Platform::Wechat,
            "wxp://f2f7AbCdEfGhIjKlMnOpQrStUvWxYz012345",
        ),
        (
            Platform::Wechat,
            "https://payapp.weixin.qq.com/new/way?key=AbCdEfGh",
        ),
        (Platform::Unionpay, "https://qr.95516.com/01020304/a/b?c=1"),
        (Platform::Jd, "https://h5pay.jd.com/c3cIndex?t=00ff"),
    ] {
        let refused = Err(PayloadError::Unconfirmed(platform));
        assert_eq!(list.check(platform, payload, false), refused, "{payload}");
        assert_eq!(list.check(platform, payload, true), Ok(()), "{payload}");
        assert!(list.permits(platform, payload) && !list.knows(platform, payload));
    }
    let screen = "wxp://f2f6AbCdEfGhIjKlMnOpQrStUvWxYz0123456789ab";
    let refused = list.check(Platform::Wechat, screen, false);
    assert_eq!(refused, Err(PayloadError::ReceiveScreen));
}

#[test]
fn the_time_at_which_alipay_saved_a_picture_is_dropped() {
    let plain = "https://qr.alipay.com/fkx0123456789abcdefghi";
    for (payload, kept) in [
        (format!("{plain}?0&T=58418-05-24 11:50:44"), plain),
        (format!("{plain}?0&T=2026-05-24%2011:50:44"), plain),
        (plain.to_owned(), plain),
    ] {
        assert_eq!(normalized(&payload), kept);
        let is_known = forms().knows(Platform::Alipay, kept);
        assert!(is_known, "{kept}");
    }
    for other in [
        "https://qr.alipay.com/fkx0123456789abcdefghi?t=1700000000000",
        "https://evil.example/fkx0123456789abcdefghi?0&T=58418-05-24 11:50:44",
    ] {
        assert_eq!(normalized(other), other);
    }
}

proptest! {
    #[test]
    fn nothing_but_a_known_scheme_and_host_gets_through(payload in ".{0,200}") {
        let list = forms();
        for platform in Platform::ALL {
            if list.check(platform, &payload, true).is_ok() {
                prop_assert!(begins_as_known(platform, &payload), "{}", payload);
            }
        }
    }

    #[test]
    fn a_known_payload_with_anything_around_it_is_refused(before in ".{1,5}", after in r#"["'<>\\\s{}|^`]{1,5}"#) {
        let list = forms();
        let known = "https://qr.alipay.com/fkx0123456789abcdefghi";
        let (led, followed) = (before + known, known.to_owned() + &after);
        prop_assert!(!list.knows(Platform::Alipay, &led));
        prop_assert!(!list.knows(Platform::Alipay, &followed));
    }
}

proptest! {
    #[test]
    fn whatever_is_done_to_a_known_payload_only_its_form_gets_through(payload in changed_payload()) {
        let list = forms();
        for platform in Platform::ALL {
            if list.check(platform, &payload, true).is_ok() {
                prop_assert!(begins_as_known(platform, &payload), "{payload}");
                prop_assert!(payload.chars().count() <= 700, "{payload}");
                // QQ's has an unencoded nickname.
                let plain = |c: char| c.is_ascii_graphic() || platform == Platform::Qq && !c.is_control();
                prop_assert!(payload.chars().all(plain), "{payload:?}");
                prop_assert!(!payload.contains(['"', '\'', '<', '>', '\\', '`']), "{payload}");
            }
        }
    }

    #[test]
    fn a_payment_code_is_refused_however_it_is_spaced(
        code in "1[0-58][0-9]{16}|2[5-9][0-9]{14,22}|30[0-9]{14,22}|62[0-9]{17}|91[0-9]{16}",
        blanks in proptest::collection::vec((any::<usize>(), "[ \t\n\u{3000}-]"), 0..6),
    ) {
        let mut spaced: Vec<char> = code.chars().collect();
        for (at, blank) in blanks {
            let at = at % (spaced.len() + 1);
            spaced.splice(at..at, blank.chars());
        }
        let spaced: String = spaced.into_iter().collect();
        for platform in Platform::ALL {
            let refused = forms().check(platform, &spaced, true);
            prop_assert_eq!(refused, Err(PayloadError::PaymentCode(platform)), "{:?}", spaced);
        }
    }
}

/// A known payload with some characters inserted, removed or changed.
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

fn begins_as_known(platform: Platform, payload: &str) -> bool {
    let heads: &[&str] = match platform {
        Platform::Wechat => &[
            "wxp://",
            "https://wx.tenpay.com/",
            "https://payapp.weixin.qq.com/",
            "https://payapp.wechatpay.cn/",
        ],
        Platform::Alipay => &["https://qr.alipay.com/", "HTTPS://QR.ALIPAY.COM/"],
        Platform::Qq => &["https://i.qianbao.qq.com/"],
        Platform::Unionpay => &["https://qr.95516.com/", "HTTPS://QR.95516.COM/"],
        Platform::Jd => &["https://h5pay.jd.com/"],
        Platform::Ecny => &[],
    };
    heads.iter().any(|head| payload.starts_with(head))
}
