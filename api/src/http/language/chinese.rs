//! Chinese texts of errors. The code writes errors in English; this table translates them.

use std::sync::LazyLock;

/// English and Chinese. A variable part may itself be one of the texts.
static TEXTS: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let lines = include_str!("chinese.txt").lines();
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    lines
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
});

/// The Chinese translation, or the text itself if there is none.
pub(crate) fn chinese(english: &str) -> String {
    let found = TEXTS.iter().find_map(|(template, chinese)| {
        let parts = parts(template, english)?;
        let mut text = (*chinese).to_owned();
        for (index, part) in parts.iter().enumerate() {
            let part = self::chinese(part).replace(", ", "、");
            text = text.replace(&format!("{{{index}}}"), &part);
        }
        Some(text)
    });
    found.unwrap_or_else(|| english.to_owned())
}

/// The values at the `{}` of `template`.
fn parts<'a>(template: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut pieces = template.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut parts = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let (part, after) = if is_last {
            (rest.strip_suffix(piece)?, "")
        } else {
            rest.split_once(piece)?
        };
        parts.push(part);
        rest = after;
    }
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_differs_is_put_in_and_may_be_a_text_itself() {
        for (english, expected) in [
            ("too many requests: wait 3 s", "请求太频繁：请等待 3 秒"),
            (
                "too many logins: wait 7 s, then log in with a new code",
                "登录太多：请等待 7 秒，再用新的 code 登录",
            ),
            (
                "data is not the JSON object it should be: missing field `name`",
                "data 的 JSON 不正确：缺少参数 name",
            ),
            (
                "this is an Alipay red packet (红包), which nobody can pay: send the receive code of WeChat, Alipay, QQ, UnionPay or JD",
                "这是支付宝红包码，不能付款：请发送微信、支付宝、QQ、云闪付或京东的收款码",
            ),
            (
                "style must be classic, dark or pair",
                "style 必须是 classic、dark 或 pair",
            ),
            ("of nobody", "of nobody"),
            ("", ""),
        ] {
            assert_eq!(chinese(english), expected);
        }
    }

    #[test]
    fn every_text_is_there_once_and_puts_in_what_it_has() {
        let mut seen = BTreeSet::new();
        for (english, chinese) in TEXTS.iter() {
            assert!(seen.insert(english), "{english}");
            let count = english.matches("{}").count();
            for index in 0..count {
                assert!(chinese.contains(&format!("{{{index}}}")), "{english}");
            }
            assert!(!chinese.contains(&format!("{{{count}}}")), "{english}");
        }
    }

    /// The error texts in the sources.
    #[test]
    fn every_failure_has_a_chinese_text() {
        for source in [
            include_str!("../error.rs"),
            include_str!("../../pictures/decode.rs"),
            include_str!("../../../../common/src/payload.rs"),
            include_str!("../../../../common/src/order/content.rs"),
            include_str!("../../../../common/src/order/name.rs"),
            include_str!("../../../../common/src/form.rs"),
            include_str!("../../../../common/src/gateway/payjs/named_payment.rs"),
        ] {
            for text in texts(source) {
                let filled = text.replace("{}", "7");
                assert_ne!(chinese(&filled), filled, "has no Chinese text");
            }
        }
    }

    /// The texts of `#[error("…")]`, with `{}` for each variable part.
    fn texts(source: &str) -> Vec<String> {
        let attributes = source.split("#[error(").skip(1);
        let texts = attributes.filter_map(|attribute| {
            let text = attribute.trim_start().strip_prefix('"')?;
            let text = text.split('"').next()?;
            let lines: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
            let text = lines.concat();
            let text = without_names(&text);
            (text != "{}").then_some(text)
        });
        texts.collect()
    }

    fn without_names(text: &str) -> String {
        let mut pieces = text.split('{');
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |text, piece| {
            let after = piece.split_once('}').map_or("", |(_, after)| after);
            text + "{}" + after
        })
    }
}
