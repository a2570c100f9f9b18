//! Whether a person opened a page: scan counts include only people.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::pages::scanner::Scanner;

/// Headers by which browsers mark a prefetch.
const PREFETCHES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// Prefixes of browsers' user agents. Libraries, monitors and most link previews use others.
const BROWSERS: [&str; 2] = ["Mozilla/", "Opera/"];

/// Marks of programs that claim to be a browser, in lower case.
const PROGRAMS: [&str; 20] = [
    "spider",
    "crawl",
    "preview",
    "slurp",
    "facebookexternal",
    "meta-external",
    "headless",
    "phantomjs",
    "lighthouse",
    "pagespeed",
    "gtmetrix",
    "monitor",
    "statuscake",
    "site24x7",
    "url2png",
    "google-",
    "googleother",
    "whatsapp/",
    // URLs in user agents of programs.
    "http://",
    "https://",
];

/// Whether this is a person's visit: no HEAD request, prefetch, crawler or link preview.
pub(crate) fn is_by_person(method: &Method, headers: &HeaderMap) -> bool {
    *method != Method::HEAD
        && !PREFETCHES.iter().any(|name| headers.contains_key(name))
        && !is_program(headers)
}

fn is_program(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    let agent = String::from_utf8_lossy(agent.map_or(b"".as_slice(), HeaderValue::as_bytes));
    if agent.is_empty() {
        return false;
    }
    let is_browser = BROWSERS.iter().any(|mark| agent.starts_with(mark));
    if !is_browser && Scanner::of(headers).platform().is_none() {
        return true;
    }
    let agent = agent.to_ascii_lowercase();
    PROGRAMS.iter().any(|mark| agent.contains(mark)) || names_a_bot(&agent) || is_compatible(&agent)
}

/// Cubot is a phone manufacturer.
fn names_a_bot(agent: &str) -> bool {
    let mut bots = agent.match_indices("bot");
    bots.any(|(at, _)| !agent[..at].ends_with("cu"))
}

/// Programs, and Internet Explorer, use `(compatible; …)`.
fn is_compatible(agent: &str) -> bool {
    agent.contains("(compatible;") && !agent.contains("msie ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1";

    fn counts(agent: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_bytes(agent.as_bytes()).unwrap(),
        );
        is_by_person(&Method::GET, &headers)
    }

    #[test]
    fn people_count() {
        let cubot = PHONE.replace("iPhone;", "Linux; Android 10; CUBOT_X20_PRO;");
        for agent in [
            PHONE,
            &cubot,
            &format!("{PHONE} MicroMessenger/8.0.50 NetType/WIFI"),
            "AlipayClient/10.5",
            "jdltapp;android;4.8.0;;;M/5.0;hasUPPay/0",
            "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 13; 示例畅玩) AppleWebKit/537.36 Chrome/116.0 Mobile Safari/537.36",
            "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80; U; zh) Presto/2.5",
            "",
        ] {
            assert!(counts(agent), "{agent}");
        }
    }

    #[test]
    fn programs_do_not() {
        for agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Chrome/99.0 Mobile Safari/537.36 (compatible; Googlebot/2.1)",
            "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
            "Mozilla/5.0 (compatible; Bytespider; spider-feedback@bytedance.com)",
            "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
            "Mozilla/5.0 (compatible; Embedly/0.2; snap)",
            "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
            "Mozilla/5.0 (Windows NT 6.1; rv:6.0) Gecko/20110814 Firefox/6.0 Google (+https://developers.google.com/+/web/snippet/)",
            "Mozilla/5.0 (Macintosh) Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "meta-externalagent/1.1",
            "WhatsApp/2.23.20.0",
            "TelegramBot (like TwitterBot)",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Twitterbot/1.0",
            "Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
            "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 11; moto g power) Chrome/126.0 Mobile Safari/537.36 Chrome-Lighthouse",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6) AppleWebKit/537.36 (KHTML, like Gecko; LarkUrl2png/1.0) Chrome/80.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/98.0 Safari/537.36 (StatusCake)",
            "curl/8.5.0",
            "python-requests/2.32",
            "Go-http-client/2.0",
            "okhttp/4.12.0",
            "kube-probe/1.30",
        ] {
            assert!(!counts(agent), "{agent}");
        }
    }

    #[test]
    fn neither_do_prefetches_and_looks_at_the_headers() {
        let headers = HeaderMap::new();
        assert!(is_by_person(&Method::GET, &headers));
        assert!(is_by_person(&Method::POST, &headers));
        assert!(!is_by_person(&Method::HEAD, &headers));
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-purpose", "preview"),
            ("x-moz", "prefetch"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert!(!is_by_person(&Method::GET, &headers), "{name}: {value}");
        }
    }
}
