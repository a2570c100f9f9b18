//! The language of responses.

mod chinese;

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use utoipa::ToSchema;

pub(crate) use self::chinese::chinese;
use crate::http::negotiate;

/// A language that the pages have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, ToSchema)]
pub(crate) enum Language {
    /// What most payers read, and those of whom nothing is known.
    #[default]
    #[serde(rename = "zh")]
    Chinese,
    /// For those who would rather read it than Chinese.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// Every language.
    pub(crate) const ALL: [Self; 2] = [Self::Chinese, Self::English];

    /// The supported language that the client prefers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let ranges = negotiate::list(headers, &header::ACCEPT_LANGUAGE).filter_map(range);
        let (mut chinese, mut english, mut any) = (None, None, None);
        for (language, quality) in ranges {
            let is = |name: &str| language.eq_ignore_ascii_case(name);
            let best = if is("zh") {
                // Fast path for most payers: English cannot have a higher quality.
                if quality == negotiate::MOST {
                    return Self::Chinese;
                }
                &mut chinese
            } else if is("en") {
                &mut english
            } else if is("*") {
                &mut any
            } else {
                continue;
            };
            *best = (*best).max(Some(quality));
        }
        // The quality of the best matching range, else that of `*`.
        let wish = |named: Option<u16>| named.or(any).unwrap_or(0);
        if wish(english) > wish(chinese) {
            Self::English
        } else {
            Self::Chinese
        }
    }

    /// The language of a JSON `errmsg`: like [`of`](Self::of), but English if the client, such as a program, names
    /// neither language.
    pub(crate) fn of_errmsg(headers: &HeaderMap) -> Self {
        let mut ranges = negotiate::list(headers, &header::ACCEPT_LANGUAGE).filter_map(range);
        let names = |name: &str| name.eq_ignore_ascii_case("zh") || name.eq_ignore_ascii_case("en");
        if ranges.any(|(language, _)| names(language)) {
            Self::of(headers)
        } else {
            Self::English
        }
    }

    /// The language tag in HTML.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }
}

/// The first subtag of a language range, and its quality in thousandths.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let language = parts.next()?.split('-').next()?;
    Some((language, negotiate::quality(parts)?))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use Language::{Chinese, English};

    fn language(value: &[u8]) -> Option<Language> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_LANGUAGE,
            HeaderValue::from_bytes(value).ok()?,
        );
        Some(Language::of(&headers))
    }

    #[test]
    fn qualities_decide_and_chinese_is_the_default() {
        for (value, expected) in [
            ("", Chinese),
            ("zh-CN,zh;q=0.9,en;q=0.8", Chinese),
            ("en-US,en;q=0.9,zh-CN;q=0.8", English),
            ("EN-gb", English),
            ("en;q=0.3, zh;q=0.2", English),
            ("en;q=0.2, zh;q=0.3", Chinese),
            ("en, zh", Chinese),
            ("zh-TW;q=0.4, zh-CN;q=0.9, en;q=0.8", Chinese),
            ("fr, de;q=0.8", Chinese),
            ("fr, en;q=0.1", English),
            ("*, zh;q=0.5", English),
            ("*", Chinese),
            ("en;q=0", Chinese),
            ("en;q=0.5, *;q=0.6", Chinese),
            ("en;q=nonsense, zh;q=0.1", Chinese),
            ("english", Chinese),
            ("\"><script>;en", Chinese),
            ("en, zh;q=1", Chinese),
            ("zh;q=0.9, en;q=1", English),
        ] {
            assert_eq!(language(value.as_bytes()), Some(expected), "{value}");
        }
    }

    #[test]
    fn who_names_no_language_is_told_in_english() {
        for (value, expected) in [
            ("", English),
            ("*", English),
            ("fr, de;q=0.8", English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Chinese),
            ("zh_CN", English),
            ("fr, zh-TW;q=0.1", Chinese),
            ("en-US,en;q=0.9,zh-CN;q=0.8", English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(value));
            assert_eq!(Language::of_errmsg(&headers), expected, "{value}");
        }
        assert_eq!(Language::of_errmsg(&HeaderMap::new()), English);
    }

    #[test]
    fn several_headers_count_as_one() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::ACCEPT_LANGUAGE,
            HeaderValue::from_static("zh;q=0.1"),
        );
        headers.append(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        assert_eq!(Language::of(&headers), English);
    }

    proptest! {
        #[test]
        fn who_does_not_name_english_reads_chinese(bytes: Vec<u8>) {
            let names_it = bytes.windows(2).any(|part| part.eq_ignore_ascii_case(b"en"));
            prop_assert!(names_it || bytes.contains(&b'*') || language(&bytes) != Some(English));
        }
    }
}
