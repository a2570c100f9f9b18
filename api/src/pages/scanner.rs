//! Detects which app scanned a code.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use heyi_common::platform::Platform;

/// The app or browser that requests the page. A `User-Agent` is easily forged, so it only selects a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanner {
    /// The app of a platform, on a phone.
    App(Platform),
    /// Another app or browser, perhaps on a phone.
    Phone,
    /// A desktop browser, where codes are scanned from the screen.
    Desktop,
}

impl Scanner {
    /// Detects the app by its `User-Agent`. Phones put their model name into it in any encoding.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT);
        let agent = String::from_utf8_lossy(agent.map_or(b"".as_slice(), HeaderValue::as_bytes));
        let names = |marks: &[&str]| marks.iter().any(|mark| agent.contains(mark));
        let mut apps = BY_RANK.iter().copied();
        let app = apps.find(|app| names(app.row().agent_marks));
        let is_desktop = names(&DESKTOP_APPS) || names(&DESKTOPS) && !names(&PHONES);
        match app {
            // On every system.
            Some(Platform::Alipay) => Self::App(Platform::Alipay),
            _ if is_desktop => Self::Desktop,
            Some(app) => Self::App(app),
            None => Self::Phone,
        }
    }

    /// The platform, if it is a platform's app.
    pub(crate) fn platform(self) -> Option<Platform> {
        match self {
            Self::App(platform) => Some(platform),
            Self::Phone | Self::Desktop => None,
        }
    }
}

/// The platforms in the order in which their marks are checked.
static BY_RANK: LazyLock<[Platform; Platform::ALL.len()]> = LazyLock::new(|| {
    let mut all = Platform::ALL;
    all.sort_unstable_by_key(|platform| platform.row().agent_rank);
    all
});

/// WeChat on computers. For other apps the system identifies a computer.
const DESKTOP_APPS: [&str; 2] = ["WindowsWechat", "MacWechat"];
/// Desktop systems. Huawei's name themselves PC, or OHOS in apps.
const DESKTOPS: [&str; 7] = [
    "Windows NT",
    "Macintosh",
    "X11; ",
    "Wayland; ",
    "CrOS",
    "(PC; ",
    "OHOS",
];
/// Marks of phones and tablets; their `User-Agent` may also name a desktop system.
const PHONES: [&str; 4] = ["Android", "Mobile", "(Phone; ", "(Tablet; "];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scanner(agent: &[u8]) -> Option<Scanner> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_bytes(agent).ok()?);
        Some(Scanner::of(&headers))
    }

    fn all_marks() -> Vec<&'static str> {
        let apps = Platform::ALL.map(|platform| platform.row().agent_marks);
        let systems = [&DESKTOP_APPS[..], &DESKTOPS, &PHONES].concat();
        [apps.concat(), systems].concat()
    }

    /// Marks in any order and number, mixed with other text.
    fn nearly_an_agent() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            proptest::sample::select(all_marks()).prop_map(str::to_owned),
            Just("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 ".to_owned()),
            "[ -~]{0,12}",
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    const IPHONE: &str =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148";
    const PC: &str =
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36";
    const HARMONY_PC: &str = "Mozilla/5.0 (PC; OpenHarmony 6.1; Windows NT 10.0) AppleWebKit/537.36 Chrome/132.0 Safari/537.36 ArkWeb/6.1";

    #[test]
    fn computers_phones_and_tablets_are_told_apart() {
        for (agent, expected) in [
            (PC, Scanner::Desktop),
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
                "Mozilla/5.0 (X11; Linux x86_64) MicroMessenger/8.0 UnifiedPCLinuxWechat",
                Scanner::Desktop,
            ),
            (HARMONY_PC, Scanner::Desktop),
            (
                "Mozilla/5.0 (PC; OpenHarmony 5.0; HarmonyOS 5.0) ArkWeb/4.1.6.1",
                Scanner::Desktop,
            ),
            ("Mozilla/5.0 (X11; OHOS 5.0) Chrome/144.0", Scanner::Desktop),
            (
                "Mozilla/5.0 (OHOSHarmonyOS aarch64) Chrome/144.0",
                Scanner::Desktop,
            ),
            (
                "Mozilla/5.0 (OHOS; OHOS x86_64) Chrome/139.0",
                Scanner::Desktop,
            ),
            (
                "Mozilla/5.0 (Phone; OpenHarmony 5.0) ArkWeb/4.1.6.1 Mobile",
                Scanner::Phone,
            ),
            (
                "Mozilla/5.0 (Tablet; OpenHarmony 6.1; Macintosh) ArkWeb/6.1",
                Scanner::Phone,
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) Chrome/126.0 Mobile",
                Scanner::Phone,
            ),
            (IPHONE, Scanner::Phone),
            (
                "Mozilla/5.0 (X11; Linux; Android 13) Chrome/126.0",
                Scanner::Phone,
            ),
            ("", Scanner::Phone),
        ] {
            assert_eq!(scanner(agent.as_bytes()), Some(expected), "{agent}");
        }
    }

    #[test]
    fn each_edition_of_an_app_is_its_platform() {
        let jdjr =
            "/application=JDJR-App&clientType=ios&CpayJS=UnionPay/1.0 JDJR&jdPayChannel=jdfinance";
        for (agent, expected) in [
            (format!("{IPHONE}{jdjr}"), Platform::Jd),
            (format!("jdapp;iPhone;10.0.2;14.3;{IPHONE}"), Platform::Jd),
            (
                format!("jdltapp;iPhone;3.1.0;14.4;network/wifi;{IPHONE}"),
                Platform::Jd,
            ),
            (
                "jdltapp;android;4.8.0;;;M/5.0;hasUPPay/0;ef/1".to_owned(),
                Platform::Jd,
            ),
            (format!("jdpingou;iPhone;4.13.0;{IPHONE}"), Platform::Jd),
            (
                format!("{IPHONE} (com.unionpay.chsp) (UnionPay/1.0 CloudPay)"),
                Platform::Unionpay,
            ),
            (
                format!("{IPHONE};WKWebView;UnionPay/1.0 BoComMDB;"),
                Platform::Unionpay,
            ),
            (format!("{IPHONE} MicroMessenger/8.0.50"), Platform::Wechat),
            (format!("{IPHONE} QQ/9.0.60 V1_IPH_SQ_9.0.60"), Platform::Qq),
            (
                format!("{IPHONE} AliApp(AP/10.5) AlipayClient/10.5"),
                Platform::Alipay,
            ),
        ] {
            assert_eq!(
                scanner(agent.as_bytes()),
                Some(Scanner::App(expected)),
                "{agent}"
            );
        }
    }

    #[test]
    fn apps_on_computers_show_codes_to_be_scanned_off_the_screen() {
        for app in [
            "QQ/9.9.9-23361 Electron/23.3.1",
            "MicroMessenger/8.0",
            "UnionPay/1.0",
            "JDJR",
        ] {
            let linux = PC.replace("Windows NT 10.0; Win64; x64", "X11; Linux x86_64");
            for system in [PC, HARMONY_PC, &linux] {
                let agent = format!("{system} {app}");
                assert_eq!(scanner(agent.as_bytes()), Some(Scanner::Desktop), "{agent}");
            }
        }
    }

    #[test]
    fn a_model_in_any_encoding_hides_no_app() {
        let gbk = b"\xca\xbe\xc0\xfd".as_slice();
        for model in [
            "示例 4G八核版".as_bytes(),
            "AIR®".as_bytes(),
            b"AIR\xae",
            gbk,
            b"\xff\xfe",
        ] {
            for (app, platform) in [
                ("MicroMessenger/8.0.50", Platform::Wechat),
                ("AlipayClient/10.1", Platform::Alipay),
                ("QQ/9.0.60.1", Platform::Qq),
                ("(com.unionpay.chsp)", Platform::Unionpay),
                ("JDJR", Platform::Jd),
            ] {
                let before = b"Mozilla/5.0 (Linux; Android 13; ";
                let agent = [before, model, b") Mobile Safari/537.36 ", app.as_bytes()].concat();
                assert_eq!(scanner(&agent), Some(Scanner::App(platform)), "{app}");
            }
            let desktop = [PC.as_bytes(), b" ", model].concat();
            assert_eq!(scanner(&desktop), Some(Scanner::Desktop));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_only_what_is_named_is_seen(bytes: Vec<u8>) {
            let says = |mark: &&str| bytes.windows(mark.len()).any(|part| part == mark.as_bytes());
            prop_assert!(matches!(scanner(&bytes), None | Some(Scanner::Phone)) || all_marks().iter().any(says));
        }

        #[test]
        fn an_app_that_is_seen_is_named(agent in nearly_an_agent()) {
            let named = |marks: &[&str]| marks.iter().any(|mark| agent.contains(mark));
            let marks: &[&str] = match scanner(agent.as_bytes()) {
                None => unreachable!("it is ASCII"),
                Some(Scanner::App(platform)) => platform.row().agent_marks,
                Some(Scanner::Desktop) => &[&DESKTOP_APPS[..], &DESKTOPS].concat(),
                Some(Scanner::Phone) => {
                    prop_assert!(!Platform::ALL.iter().any(|app| named(app.row().agent_marks)));
                    return Ok(());
                }
            };
            prop_assert!(named(marks), "{agent:?} is {:?}", scanner(agent.as_bytes()));
        }
    }
}
