//! The test vectors V1 to V9 of PayJS's signature, and properties.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    config::{self, DEFAULTS},
    form,
};

const KEY: &str = "EXAMPLEKEY123456";

fn key(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn params(pairs: &[(&str, &str)]) -> Params {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// V2 without its attach.
fn mini_program_order() -> Params {
    params(&[
        ("body", "收款码合成"),
        ("mchid", "1600000001"),
        ("nonce", "5f2b0c3d9e8a4716b0d1c2e3f4a5b6c7"),
        ("notify_url", "https://example.com/api/payjs/notify"),
        ("out_trade_no", "QR20250101123456ABCDEF"),
        ("total_fee", "990"),
    ])
}

fn with_attach(attach: &str) -> Params {
    let mut order = mini_program_order();
    order.insert("attach".to_owned(), attach.to_owned());
    order
}

#[test]
fn v1_the_example_of_the_documentation() {
    let order = params(&[
        ("mchid", "12345"),
        ("out_trade_no", "123123123123"),
        ("total_fee", "1"),
    ]);
    assert_eq!(
        sign(&order, &key("xxxxxxxxx")),
        "D284B39BA646EB978DF4FF1F5E59D2AD"
    );
}

#[test]
fn v2_and_v3_attach_in_every_form() {
    for (attach, expected, why) in [
        (
            "订单42-永久版",
            "6D949D211E27AE1A2BE218251846F9A9",
            "V2: Chinese text",
        ),
        (
            "",
            "210019545710991F266851B736A664CE",
            "V3: empty is dropped",
        ),
        ("0", "CA3010A84730250DADFF1EF469E5066D", "V3c: zero is kept"),
        (
            "abc ",
            "2DD3DE868F2D86D47A225733F99CD0E6",
            "V3d: nothing is trimmed",
        ),
    ] {
        assert_eq!(sign(&with_attach(attach), &key(KEY)), expected, "{why}");
    }
}

#[test]
fn v3b_an_empty_field_that_was_signed_is_accepted_too() {
    let mut order = with_attach("");
    order.insert(
        "sign".to_owned(),
        "460C826C19DA29D69CD5DEC3850A588A".to_owned(),
    );
    assert!(verify(&order, &key(KEY)));
}

#[test]
fn v4_and_v5_notifies_as_they_arrive() {
    for body in [
        "return_code=1&total_fee=990&out_trade_no=QR20250101123456ABCDEF&payjs_order_id=2025010112345600512345678&transaction_id=4200000000202501010000000001&time_end=2025-01-01+12%3A35%3A10&openid=oEXAMPLE1234567890abcdefghij&attach=a+b%2Bc%2520%26d%3D1+%E4%B8%AD%E6%96%87&mchid=1600000001&sign=56B772EA74F60FA0B29DC95322E04FEB",
        "return_code=1&total_fee=990&out_trade_no=QR20250101123456ABCDEF&payjs_order_id=2025010112345600512345678&transaction_id=4200000000202501010000000001&time_end=2025-01-01+12%3A35%3A10&openid=oEXAMPLE1234567890abcdefghij&mchid=1600000001&type=alipay&sign=FA4234D84EBC9D548EA65ED9724CFE07",
    ] {
        let notify = form::parse(body.as_bytes()).unwrap();
        assert!(verify(&notify, &key(KEY)));
        let lower = body.replace(
            "sign=56B772EA74F60FA0B29DC95322E04FEB",
            "sign=56b772ea74f60fa0b29dc95322e04feb",
        );
        assert!(verify(&form::parse(lower.as_bytes()).unwrap(), &key(KEY)));
        let forged = body.replace("total_fee=990", "total_fee=1");
        assert!(!verify(&form::parse(forged.as_bytes()).unwrap(), &key(KEY)));
    }
}

#[test]
fn v6_zeros_of_an_unpaid_check_are_kept() {
    let reply = params(&[
        ("mchid", "1600000001"),
        ("out_trade_no", "QR20250101123456ABCDEF"),
        ("paid_time", "0"),
        ("payjs_order_id", "2025010112345600512345678"),
        ("return_code", "1"),
        ("status", "0"),
        ("total_fee", "990"),
        ("transaction_id", "0"),
    ]);
    assert_eq!(sign(&reply, &key(KEY)), "F1D8194EA6C511E69C3B3CC627D5FB9E");
}

#[test]
fn v7_a_check_request() {
    let mut request = params(&[("payjs_order_id", "2025010112345600512345678")]);
    assert_eq!(
        sign(&request, &key(KEY)),
        "31A7BDFF54DCD9AFBB276D93C4651DA6"
    );
    request.insert("mchid".to_owned(), "1600000001".to_owned());
    assert_eq!(
        sign(&request, &key(KEY)),
        "37DE3F14D5FF168B1E8B6253009B3A6F"
    );
}

#[test]
fn v8_nested_names_as_markity_sorts_them() {
    let reply = params(&[
        ("jsapi[appId]", "wx0000000000000000"),
        ("jsapi[timeStamp]", "1735706096"),
        ("jsapi[nonceStr]", "abc"),
        ("jsapi[package]", "prepay_id=wx1"),
        ("jsapi[signType]", "MD5"),
        ("jsapi[paySign]", "DEADBEEF"),
        ("payjs_order_id", "2025010112345600512345678"),
        ("return_code", "1"),
        ("return_msg", "SUCCESS"),
    ]);
    assert_eq!(sign(&reply, &key(KEY)), "7F036B11A8B387C0A157D73944776F39");
}

#[test]
fn v9_vectors_that_others_published() {
    for (pairs, expected) in [
        (
            &[("test", "123"), ("test2", "hehe")][..],
            "B16319F0C3F2BBDA5CB8B4FFC9048A81",
        ),
        (
            &[("test", "haha"), ("mchid", "merch_id")],
            "8C25F4D8CE652EE13397915BC2F8A825",
        ),
        (
            &[
                ("mchid", "merch_id"),
                ("total_fee", "123"),
                ("out_trade_no", "out_trade_no"),
                ("body", "body"),
                ("attach", "attach"),
                ("notify_url", "notify_url"),
                ("type", "type"),
                ("no_credit", "no_credit"),
                ("time_expire", "time_expire"),
            ],
            "9C491E4A5A84F4ABB0C9B182E81951A6",
        ),
    ] {
        assert_eq!(sign(&params(pairs), &key("test_key")), expected);
    }
}

#[test]
fn the_join_is_ambiguous_as_the_facts_say() {
    let real = params(&[
        (
            "attach",
            "x&body=b&mchid=1600000001&nonce=n1&out_trade_no=O1&total_fee=1&zzz=",
        ),
        ("body", "real"),
        ("mchid", "1600000001"),
        ("nonce", "n2"),
        ("out_trade_no", "O2"),
        ("total_fee", "990"),
    ]);
    let forged = params(&[
        ("attach", "x"),
        ("body", "b"),
        ("mchid", "1600000001"),
        ("nonce", "n1"),
        ("out_trade_no", "O1"),
        ("total_fee", "1"),
        (
            "zzz",
            "&body=real&mchid=1600000001&nonce=n2&out_trade_no=O2&total_fee=990",
        ),
    ]);
    assert_eq!(sign(&real, &key(KEY)), "05EFBFFF2AA29B29BAABD8882B76C7B2");
    assert_eq!(sign(&real, &key(KEY)), sign(&forged, &key(KEY)));
}

#[test]
fn a_missing_or_strange_sign_is_no_signature() {
    let mut order = mini_program_order();
    assert!(!verify(&order, &key(KEY)));
    for strange in [
        "",
        "210019545710991F266851B736A664C",
        "中文中文中文中文中文中文中文中文",
    ] {
        order.insert(SIGN.to_owned(), strange.to_owned());
        assert!(!verify(&order, &key(KEY)), "{strange:?}");
    }
}

#[test]
fn the_route_is_signed_in_its_place_among_the_parameters() {
    let sent = params(&[("id", "1"), ("ts", "1767225600"), ("zzz", "2")]);
    let routed = Routed {
        route: "/del",
        params: &sent,
    };
    let whole = params(&[
        ("id", "1"),
        ("route", "/del"),
        ("ts", "1767225600"),
        ("zzz", "2"),
    ]);
    assert_eq!(
        routed.pairs().collect::<Vec<_>>(),
        whole.pairs().collect::<Vec<_>>()
    );
    assert_eq!(sign(&routed, &key(KEY)), sign(&whole, &key(KEY)));
    assert_ne!(sign(&routed, &key(KEY)), sign(&sent, &key(KEY)));
}

#[test]
fn a_value_that_begins_another_parameter_is_found() {
    let names = &["data", "id"];
    for (value, found) in [
        ("a&id=1", Some(("data", "id"))),
        ("&data=", Some(("data", "data"))),
        ("id=1&n=2", None),
        ("a&id", None),
        ("a&&ids=1&Id=1&x=&", None),
    ] {
        let params = params(&[("data", value)]);
        assert_eq!(second_reading(&params, names), found, "{value}");
    }
}

#[test]
fn keys_of_people_differ_and_depend_on_the_secret_and_the_epoch() {
    let text = |secret: &str, openid, epoch| {
        let key = person_key(&key(secret), openid, epoch);
        key.expose_secret().to_owned()
    };
    let one = text("secret", "oAlice", 683);
    assert_eq!(one, "2dbbe427729507d417d918722f5dd9df");
    for other in [
        text("secret", "oBob", 683),
        text("other", "oAlice", 683),
        text("secret", "oAlice", 684),
        text("secret", "oAlice", 68),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn an_epoch_begins_with_its_first_second() {
    let month = Duration::from_secs(30 * 86_400);
    for (second, number) in [
        (0, 0),
        (2_591_999, 0),
        (2_592_000, 1),
        (1_767_225_600, 681),
        (-1, 0),
    ] {
        assert_eq!(epoch(second, month), number, "{second}");
    }
}

#[test]
fn the_keys_of_two_epochs_and_two_secrets_are_accepted_the_present_one_first() {
    let table: toml::Table = DEFAULTS.parse().unwrap();
    let mut config: config::Sign = table["sign"].clone().try_into().unwrap();
    config.session_secret = key("new");
    let start = |epoch: i64| epoch * config.epoch.as_secs().cast_signed();
    let [at_0, at_7, before_8] = [start(0), start(7), start(8) - 9];
    let keys = |config: &config::Sign, second| -> Vec<String> {
        let keys = accepted_keys(config, "oAlice", second);
        keys.map(|key| key.expose_secret().to_owned()).collect()
    };
    let made = |secret: &str, epoch| {
        let key = person_key(&key(secret), "oAlice", epoch);
        key.expose_secret().to_owned()
    };
    assert_eq!(keys(&config, at_7), [made("new", 7), made("new", 6)]);
    assert_eq!(keys(&config, at_0), [made("new", 0)]);
    // An api whose clock is ahead may have issued a key of the next epoch.
    let late = [made("new", 7), made("new", 6), made("new", 8)];
    assert_eq!(keys(&config, before_8), late);
    config.previous_session_secret = key("old");
    let all = [
        made("new", 7),
        made("new", 6),
        made("old", 7),
        made("old", 6),
    ];
    assert_eq!(keys(&config, at_7), all);
}

proptest! {
    #[test]
    fn sign_and_verify_agree(mut given: Params, secret: String, other: String) {
        let signature = sign(&given, &key(&secret));
        given.insert(SIGN.to_owned(), signature.to_ascii_lowercase());
        prop_assert!(verify(&given, &key(&secret)));
        prop_assume!(secret != other);
        prop_assert!(!verify(&given, &key(&other)));
    }

    #[test]
    fn a_changed_value_breaks_the_signature(mut given: Params, name in "[a-z]{1,8}", value in "[a-z0-9]{1,8}") {
        prop_assume!(name != SIGN);
        given.insert(name.clone(), value);
        let signature = sign(&given, &key(KEY));
        given.insert(SIGN.to_owned(), signature);
        given.insert(name, "UPPER".to_owned());
        prop_assert!(!verify(&given, &key(KEY)));
    }
}
