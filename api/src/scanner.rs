//! What scanned a code.

use axum::http::{HeaderMap, header};
use heyi_common::payload::Platform;

/// What reads the page. A `User-Agent` is easily made up, so it only picks a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanner {
    /// The app of a platform, on a phone.
    App(Platform),
    /// Some other app or browser, perhaps on a phone.
    Phone,
    /// A browser on a desktop, where codes are scanned from the screen.
    Desktop,
}

impl Scanner {
    /// Who asks, by its `User-Agent`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let agent = headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let is = |part: &str| agent.contains(part);
        if is("AlipayClient/") || is("AliApp(AP/") {
            Self::App(Platform::Alipay)
        } else if is("WindowsWechat") || is("MacWechat") {
            Self::Desktop
        } else if is("MicroMessenger/") {
            Self::App(Platform::Wechat)
        } else if is("UnionPay/") || is("com.unionpay.") {
            Self::App(Platform::Unionpay)
        } else if agent.starts_with("jdapp;") || is("JDJR") {
            Self::App(Platform::Jd)
        } else if is("QQ/") {
            Self::App(Platform::Qq)
        } else if DESKTOPS.into_iter().any(is) && !is("Android") && !is("Mobile") {
            Self::Desktop
        } else {
            Self::Phone
        }
    }

    /// The platform, where it is the app of one.
    pub(crate) fn platform(self) -> Option<Platform> {
        match self {
            Self::App(platform) => Some(platform),
            Self::Phone | Self::Desktop => None,
        }
    }
}

/// Systems of desktops.
const DESKTOPS: [&str; 4] = ["Windows NT", "Macintosh", "X11; ", "CrOS"];

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// What the apps say of themselves.
    const MARKS: [&str; 10] = [
        "AlipayClient/",
        "AliApp(AP/",
        "WindowsWechat",
        "MicroMessenger/",
        "UnionPay/",
        "com.unionpay.",
        "jdapp;",
        "JDJR",
        "QQ/",
        "MacWechat",
    ];

    fn scanner(agent: &[u8]) -> Option<Platform> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_bytes(agent).ok()?);
        Scanner::of(&headers).platform()
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

    #[test]
    fn a_desktop_is_told_from_a_phone() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0",
                Scanner::Desktop,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1",
                Scanner::Desktop,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0",
                Scanner::Desktop,
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) MicroMessenger/7.0 WindowsWechat",
                Scanner::Desktop,
            ),
            (
                "Mozilla/5.0 (Macintosh) MicroMessenger/6.8 MacWechat/3.8",
                Scanner::Desktop,
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) Chrome/126.0 Mobile",
                Scanner::Phone,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148",
                Scanner::Phone,
            ),
            (
                "Mozilla/5.0 (X11; Linux; Android 13) Chrome/126.0",
                Scanner::Phone,
            ),
            ("", Scanner::Phone),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            assert_eq!(Scanner::of(&headers), expected, "{agent}");
        }
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
                    named(&["WindowsWechat", "MacWechat"]) || !named(&apps) && !agent.starts_with("jdapp;")
                }
                Some(Platform::Alipay) => named(&MARKS[..2]),
                Some(Platform::Wechat) => {
                    named(&MARKS[3..4]) && !named(&MARKS[..3]) && !named(&MARKS[9..])
                }
                Some(Platform::Unionpay) => named(&MARKS[4..6]) && !named(&MARKS[..4]),
                Some(Platform::Jd) => {
                    (agent.starts_with("jdapp;") || named(&MARKS[7..8])) && !named(&MARKS[..6])
                }
                Some(Platform::Qq) => {
                    named(&MARKS[8..9]) && !named(&MARKS[..6]) && !named(&MARKS[7..8])
                }
            };
            prop_assert!(fits, "{agent:?} is {:?}", scanner(agent.as_bytes()));
        }
    }
}
