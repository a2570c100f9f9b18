//! Content negotiation: JSON or HTML, and gzip.

use std::cmp::Ordering;

use axum::http::{HeaderMap, HeaderName, header};

/// Compares the client's quality for HTML with that for JSON.
pub(crate) fn html_over_json(headers: &HeaderMap) -> Ordering {
    let ranges = list(headers, &header::ACCEPT).filter_map(Range::parse);
    let (mut html, mut json) = (None, None);
    for range in ranges {
        html = html.max(range.wish("text", "html"));
        json = json.max(range.wish("application", "json"));
    }
    let quality = |preference: Option<(u8, u16)>| preference.map_or(0, |(_, quality)| quality);
    quality(html).cmp(&quality(json))
}

/// Whether the client accepts gzip.
pub(crate) fn gzip(headers: &HeaderMap) -> bool {
    let quality_of = |name: &str| {
        list(headers, &header::ACCEPT_ENCODING)
            .map(|coding| coding.split(';').map(str::trim))
            .find_map(|mut parts| {
                let own = parts.next()?;
                own.eq_ignore_ascii_case(name).then(|| quality(parts))
            })
    };
    let named = quality_of("gzip").or_else(|| quality_of("*"));
    named.flatten().is_some_and(|quality| quality > 0)
}

/// The items of a list header, without those that are not UTF-8. Repeated headers form one list.
pub(crate) fn list<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> + use<'a> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|item| str::from_utf8(item).ok())
}

/// The highest quality, in thousandths.
pub(crate) const MOST: u16 = 1000;

/// The `q` parameter of a range, in thousandths; [`MOST`] if it is missing.
pub(crate) fn quality<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    parameters
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(Some(MOST), |(_, value)| thousandths(value.trim()))
}

/// A media range and its quality in thousandths.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        Some(Self {
            kind,
            subtype,
            quality: quality(parts)?,
        })
    }

    /// How specifically the range matches a type, and its quality.
    fn wish(&self, kind: &str, subtype: &str) -> Option<(u8, u16)> {
        Some((self.closeness(kind, subtype)?, self.quality))
    }

    /// How specifically the range matches a type: 2 exactly, 1 by its kind, 0 by `*/*`.
    fn closeness(&self, kind: &str, subtype: &str) -> Option<u8> {
        let same = |range: &str, name: &str| range.eq_ignore_ascii_case(name);
        if same(self.kind, kind) && same(self.subtype, subtype) {
            Some(2)
        } else if same(self.kind, kind) && self.subtype == "*" {
            Some(1)
        } else if self.kind == "*" && self.subtype == "*" {
            Some(0)
        } else {
            None
        }
    }
}

/// `0` or `1` with up to three decimals (RFC 9110).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let plain = decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || !plain || decimals.len() > 3 {
        return None;
    }
    let value: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    Some(value.min(MOST))
}

#[cfg(test)]
mod tests {
    use Ordering::{Equal, Greater, Less};

    use super::*;

    #[test]
    fn qualities_and_closeness_decide() {
        const BROWSER: &str =
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, expected) in [
            ("", Equal),
            ("*/*", Equal),
            (BROWSER, Greater),
            ("text/html", Greater),
            ("TEXT/HTML", Greater),
            ("text/*", Greater),
            ("application/json", Less),
            ("application/*, text/html;q=0.9", Less),
            ("text/html;q=0.5, application/json;q=0.4", Greater),
            ("text/html;q=0.5, application/json", Less),
            ("text/html; charset=utf-8; q=0.2, */*;q=0.3", Less),
            ("text/html, application/json", Equal),
            ("text/html;q=0, */*", Less),
            ("text/html;q=0", Equal),
            ("text/html;q=nonsense", Equal),
            ("text/html;q=1.5", Greater),
            ("nonsense,,;q=1", Equal),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(html_over_json(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn gzip_is_taken_when_it_is_named_with_a_quality() {
        for (accept, expected) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.001, *;q=0", true),
            ("*", true),
            ("", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip;q=nonsense", false),
            ("*;q=0", false),
            ("x-gzip, gzipped", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
            assert_eq!(gzip(&headers), expected, "{accept}");
        }
        assert!(!gzip(&HeaderMap::new()));
    }

    #[test]
    fn several_headers_count_as_one() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, "application/json;q=0.1".parse().unwrap());
        headers.append(header::ACCEPT, "text/html".parse().unwrap());
        assert_eq!(html_over_json(&headers), Greater);
    }
}
