use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::{config::defaults, platform::Platform};

fn known() -> &'static AllowList {
    static LIST: LazyLock<AllowList> = LazyLock::new(|| {
        let table = defaults().unwrap();
        table["orders"]["payloads"].clone().try_into().unwrap()
    });
    &LIST
}

fn with(name: &str, payloads: &str) -> String {
    format!(
        r#"{{"openId":"oAlice","name":{},"payloads":{payloads}}}"#,
        serde_json::json!(name)
    )
}

const ALIPAY: &str = r#"{"alipay":"https://qr.alipay.com/fkx0123456789abcdefghi"}"#;

#[test]
fn one_platform_is_enough_and_names_are_trimmed() {
    let data = OrderData::parse(&with(" 小店 ", ALIPAY), known()).unwrap();
    assert_eq!(data.content.name, "小店");
    assert_eq!(
        data.content.payloads.keys().collect::<Vec<_>>(),
        [&Platform::Alipay]
    );
}

#[test]
fn an_array_is_no_object_though_its_parts_would_fit() {
    let array = format!(r#" ["oAlice", "小店", {ALIPAY}, false]"#);
    let refused = OrderData::parse(&array, known());
    assert!(
        matches!(refused, Err(DataError::NotAnObject)),
        "{refused:?}"
    );
    let array = format!(r#"["小店", {ALIPAY}, false]"#);
    let refused = Content::parse(&array, known());
    assert!(
        matches!(refused, Err(DataError::NotAnObject)),
        "{refused:?}"
    );
}

#[test]
fn every_mistake_says_what_to_do() {
    let long = "长".repeat(33);
    let start = "https://i.qianbao.qq.com/wallet/sqrcode.htm?";
    let qq = format!("{start}{}", "码".repeat(700));
    let long_qq = serde_json::json!({ "qq": qq }).to_string();
    for (json, expected) in [
        ("", "not the JSON object"),
        ("[]", "must be a JSON object"),
        (r#"{"openId":"o"}"#, "missing field `name`"),
        (
            r#"{"openId":"o","name":"n","payloads":{},"admin":true}"#,
            "unknown field `admin`",
        ),
        (&with("", ALIPAY), "data.name"),
        (&with("   ", ALIPAY), "data.name"),
        (&with(&long, ALIPAY), "data.name"),
        (&with("a\nb", ALIPAY), "data.name"),
        (&with("a\u{202e}b", ALIPAY), "data.name"),
        (&with("n", "{}"), "at least one"),
        (&with("n", r#"{"paypal":"x"}"#), "unknown variant `paypal`"),
        (&with("n", r#"{"alipay":1}"#), "expected a string"),
        (&with("n", r#"{"jd":"a","jd":"b"}"#), "duplicate field jd"),
        (
            r#"{"openId":"o","name":"n","payloads":{},"name":"m"}"#,
            "duplicate field `name`",
        ),
        (
            &with("n", r#"{"alipay":"https://evil.example"}"#),
            "payloads.alipay",
        ),
        (&with("n", r#"{"wechat":"134567890123456789"}"#), "付款码"),
        (&with("\u{200b}", ALIPAY), "data.name must not hold U+200B"),
        (&with("n", &long_qq), "qq has 2144 bytes"),
    ] {
        let error = OrderData::parse(json, known()).unwrap_err().to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
    let strange = r#"{"openId":"a b","name":"n","payloads":{}}"#;
    assert!(
        OrderData::parse(strange, known())
            .unwrap_err()
            .to_string()
            .contains("openId")
    );
}

proptest! {
    #[test]
    fn no_text_panics_and_only_known_payloads_pass(json in ".{0,300}", payload in ".{0,80}") {
        let _ = OrderData::parse(&json, known());
        let json = with("n", &serde_json::json!({"jd": payload}).to_string());
        if let Ok(data) = OrderData::parse(&json, known()) {
            prop_assert!(data.content.payloads[&Platform::Jd].starts_with("https://h5pay.jd.com/"));
        }
    }

    #[test]
    fn what_passes_keeps_every_rule_and_survives_printing(json in nearly_data()) {
        if let Ok(data) = OrderData::parse(&json, known()) {
            prop_assert!((1..=32).contains(&data.content.name.chars().count()), "{:?}", data.content.name);
            prop_assert!(!data.content.payloads.is_empty());
            for (platform, payload) in &data.content.payloads {
                prop_assert_eq!(known().check(*platform, payload, false), Ok(()));
            }
            let printed = serde_json::json!({
                "openId": data.openid.as_str(), "name": data.content.name, "payloads": data.content.payloads,
            });
            let again = OrderData::parse(&printed.to_string(), known());
            prop_assert_eq!(again.ok(), Some(data));
        }
    }

    #[test]
    fn no_field_may_stand_twice(field in 0..3_usize, first: bool) {
        let fields = [r#""openId":"oAlice""#, r#""name":"n""#, &format!(r#""payloads":{ALIPAY}"#)];
        let all = fields.join(",");
        let whole = format!("{{{all}}}");
        prop_assert!(OrderData::parse(&whole, known()).is_ok());
        let twice = if first {
            format!("{{{},{all}}}", fields[field])
        } else {
            format!("{{{all},{}}}", fields[field])
        };
        prop_assert!(OrderData::parse(&twice, known()).is_err());
    }
}

/// Uploads with a mistake in some of their parts.
fn nearly_data() -> impl Strategy<Value = String> {
    let openid = prop_oneof![Just("oAlice".to_owned()), ".{0,40}"];
    let name = prop_oneof!["[ a-z小店\\u{202e}\n]{0,40}", ".{0,40}"];
    let platform = proptest::sample::select(vec!["wechat", "alipay", "qq", "unionpay", "jd", "x"]);
    let payload = prop_oneof![
        Just("https://qr.alipay.com/fkx0123456789abcdefghi".to_owned()),
        Just("https://h5pay.jd.com/c2cIndex?t=00ff00ff00ff00ff00ff00ff00ff00ff".to_owned()),
        "[12][0-9]{15,23}",
        ".{0,60}",
    ];
    let payloads = proptest::collection::vec((platform, payload), 0..3);
    let extra = prop_oneof![9 => Just(""), 1 => Just(",\"admin\":true")];
    (openid, name, payloads, extra).prop_map(|(openid, name, payloads, extra)| {
        let payloads: Vec<String> = payloads
            .into_iter()
            .map(|(platform, payload)| format!("{platform:?}:{}", serde_json::json!(payload)))
            .collect();
        format!(
            r#"{{"openId":{},"name":{},"payloads":{{{}}}{extra}}}"#,
            serde_json::json!(openid),
            serde_json::json!(name),
            payloads.join(",")
        )
    })
}
