//! Which app scanned a code.

use axum::http::{HeaderMap, header};
use heyi_common::payload::Platform;

/// The platform of the app that asks, by its `User-Agent`. That is easily made up, so it only picks a page.
pub(crate) fn of(headers: &HeaderMap) -> Option<Platform> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let is = |part: &str| agent.contains(part);
    if is("AlipayClient/") || is("AliApp(AP/") {
        Some(Platform::Alipay)
    } else if is("WindowsWechat") {
        // On a desktop there is nothing to save a picture for.
        None
    } else if is("MicroMessenger/") {
        Some(Platform::Wechat)
    } else if is("UnionPay/") || is("com.unionpay.") {
        Some(Platform::Unionpay)
    } else if agent.starts_with("jdapp;") || is("JDJR") {
        Some(Platform::Jd)
    } else if is("QQ/") {
        Some(Platform::Qq)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// What the apps say of themselves.
    const MARKS: [&str; 9] = [
        "AlipayClient/",
        "AliApp(AP/",
        "WindowsWechat",
        "MicroMessenger/",
        "UnionPay/",
        "com.unionpay.",
        "jdapp;",
        "JDJR",
        "QQ/",
    ];

    fn scanner(agent: &[u8]) -> Option<Platform> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_bytes(agent).ok()?);
        of(&headers)
    }

    /// Marks of apps in any order and number, among other text.
    fn nearly_an_agent() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            proptest::sample::select(&MARKS[..]).prop_map(str::to_owned),
            Just("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 ".to_owned()),
            "[ -~]{0,12}",
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_who_says_nothing_is_nobody(bytes: Vec<u8>) {
            let says = |mark: &str| bytes.windows(mark.len()).any(|part| part == mark.as_bytes());
            let named = MARKS.into_iter().any(says);
            prop_assert!(scanner(&bytes).is_none() || named);
        }

        #[test]
        fn only_an_app_that_is_named_is_seen(agent in nearly_an_agent()) {
            let named = |marks: &[&str]| marks.iter().any(|mark| agent.contains(mark));
            let fits = match scanner(agent.as_bytes()) {
                None => {
                    let apps = [MARKS[0], MARKS[1], MARKS[3], MARKS[4], MARKS[5], MARKS[7], MARKS[8]];
                    named(&["WindowsWechat"]) || !named(&apps) && !agent.starts_with("jdapp;")
                }
                Some(Platform::Alipay) => named(&MARKS[..2]),
                Some(Platform::Wechat) => named(&MARKS[3..4]) && !named(&MARKS[..3]),
                Some(Platform::Unionpay) => named(&MARKS[4..6]) && !named(&MARKS[..4]),
                Some(Platform::Jd) => {
                    (agent.starts_with("jdapp;") || named(&MARKS[7..8])) && !named(&MARKS[..6])
                }
                Some(Platform::Qq) => {
                    named(&MARKS[8..]) && !named(&MARKS[..6]) && !named(&MARKS[7..8])
                }
            };
            prop_assert!(fits, "{agent:?} is {:?}", scanner(agent.as_bytes()));
        }
    }
}
