//! Receive codes in few bytes.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use heyi_common::payload::Platform;

/// How a receive code is kept. Most begin as all of their platform do, and go on with hexadecimal digits or characters
/// of URL-safe base64 that mean something to that platform alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// What follows its [`beginning`].
    Rest,
    /// The same as a number in hexadecimal digits.
    Hex,
    /// The same with hexadecimal digits somewhere in it: where they begin, how many bytes they are worth, the text
    /// before them, those bytes, the text after them.
    Around,
    /// The same as base64: how many characters were added to its last four, then the bytes.
    Base64,
}

/// A run of hexadecimal digits that is worth finding.
const LONG_RUN: usize = 32;

/// How most receive codes of a platform begin.
fn beginning(platform: Platform) -> &'static str {
    match platform {
        Platform::Wechat => "wxp://f2f",
        Platform::Alipay => "https://qr.alipay.com/",
        Platform::Qq => "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&a=1&u=",
        Platform::Unionpay => "https://qr.95516.com/00010000/",
        Platform::Jd => "https://h5pay.jd.com/c2cIndex?t=",
    }
}

/// Adds a receive code to `packed` in the shortest form that gives it back as it was.
pub(super) fn pack(platform: Platform, payload: &str, packed: &mut Vec<u8>) -> Form {
    let Some(rest) = payload.strip_prefix(beginning(platform)) else {
        packed.extend_from_slice(payload.as_bytes());
        return Form::Whole;
    };
    let forms = [hexadecimal, base64, around];
    let (form, bytes) = forms
        .iter()
        .find_map(|form| form(rest))
        .unwrap_or_else(|| (Form::Rest, rest.into()));
    packed.extend_from_slice(&bytes);
    form
}

fn hexadecimal(text: &str) -> Option<(Form, Vec<u8>)> {
    let bytes = hex::decode(text).ok()?;
    // Capital digits would come back as small ones.
    (hex::encode(&bytes) == text).then_some((Form::Hex, bytes))
}

fn base64(text: &str) -> Option<(Form, Vec<u8>)> {
    let mut whole = text.to_owned();
    while !whole.len().is_multiple_of(4) {
        whole.push('A');
    }
    let mut bytes = vec![u8::try_from(whole.len() - text.len()).ok()?];
    BASE64_URL_SAFE_NO_PAD.decode_vec(&whole, &mut bytes).ok()?;
    Some((Form::Base64, bytes))
}

fn around(text: &str) -> Option<(Form, Vec<u8>)> {
    let is_digit = |character: char| matches!(character, '0'..='9' | 'a'..='f');
    let runs = text.split(|character| !is_digit(character));
    let run = runs
        .max_by_key(|run| run.len())
        .filter(|run| run.len() >= LONG_RUN)?;
    let digits = hex::decode(&run[..run.len() & !1]).ok()?;
    let (before, after) = text.split_once(&run[..digits.len() * 2])?;
    let counts = [before.len(), digits.len()].map(u8::try_from);
    let [Ok(start), Ok(count)] = counts else {
        return None;
    };
    let bytes = [
        &[start, count],
        before.as_bytes(),
        &digits,
        after.as_bytes(),
    ]
    .concat();
    Some((Form::Around, bytes))
}

/// The receive code that was [packed](pack) like this, unless these are bytes that [`pack`] never makes.
pub(super) fn unpack(platform: Platform, form: Form, packed: &[u8]) -> Option<String> {
    let rest = match form {
        Form::Whole => return Some(text(packed).into_owned()),
        Form::Rest => text(packed).into_owned(),
        Form::Hex => hex::encode(packed),
        Form::Around => unpack_around(packed)?,
        Form::Base64 => unpack_base64(packed)?,
    };
    Some([beginning(platform), &rest].concat())
}

fn unpack_around(packed: &[u8]) -> Option<String> {
    let (&[start, count], packed) = packed.split_first_chunk()?;
    let (before, packed) = packed.split_at_checked(usize::from(start))?;
    let (digits, after) = packed.split_at_checked(usize::from(count))?;
    Some([&text(before), hex::encode(digits).as_str(), &text(after)].concat())
}

fn unpack_base64(packed: &[u8]) -> Option<String> {
    let (added, packed) = packed.split_first()?;
    let mut text = BASE64_URL_SAFE_NO_PAD.encode(packed);
    text.truncate(text.len().checked_sub(usize::from(*added))?);
    Some(text)
}

fn text(packed: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(platform: Platform, payload: &str) -> (Form, usize) {
        let mut bytes = vec![7];
        let form = pack(platform, payload, &mut bytes);
        assert_eq!(
            unpack(platform, form, &bytes[1..]).as_deref(),
            Some(payload)
        );
        (form, bytes.len() - 1)
    }

    #[test]
    fn digits_take_half_and_base64_three_quarters() {
        let jd = format!("https://h5pay.jd.com/c2cIndex?t={}", "00ff".repeat(16));
        assert_eq!(packed(Platform::Jd, &jd), (Form::Hex, 32));
        for length in 45..=48 {
            let wechat = format!("wxp://f2f{}", &"EXAMPLE_".repeat(6)[..length]);
            assert_eq!(packed(Platform::Wechat, &wechat), (Form::Base64, 1 + 36));
        }
    }

    #[test]
    fn digits_in_the_middle_take_half_too() {
        let (before, after) = ("10001&ac=", "&n=小店");
        for (digits, bytes) in [(64, 32), (63, 31 + 1), (32, 16)] {
            let ac = &"0123456789abcdef".repeat(4)[..digits];
            let qq = [beginning(Platform::Qq), before, ac, after].concat();
            let length = 2 + before.len() + bytes + after.len();
            assert_eq!(packed(Platform::Qq, &qq), (Form::Around, length));
        }
        let few = [beginning(Platform::Qq), before, &"0f".repeat(15), after].concat();
        assert_eq!(packed(Platform::Qq, &few).0, Form::Rest);
        let far = [beginning(Platform::Qq), &"~".repeat(256), &"0f".repeat(32)].concat();
        assert_eq!(packed(Platform::Qq, &far).0, Form::Rest);
    }

    #[test]
    fn whatever_it_is_comes_back_as_it_was() {
        let whole = "HTTPS://QR.ALIPAY.COM/FKX00000EXAMPLE000000";
        assert_eq!(packed(Platform::Alipay, whole), (Form::Whole, whole.len()));
        let capitals = "https://h5pay.jd.com/c2cIndex?t=00FF";
        assert_eq!(packed(Platform::Jd, capitals), (Form::Base64, 1 + 3));
        let odd = "https://h5pay.jd.com/c2cIndex?t=0ff";
        assert_eq!(packed(Platform::Jd, odd), (Form::Base64, 1 + 3));
        for rest in [
            "",
            "A",
            "AAAA",
            "=",
            "fkx=",
            "10001&ac=00ff&n=小店",
            "+/",
            "ff\0",
            "&ac=0123456789abcdef0123456789abcdef&n=0123456789abcdef0123456789abcdef",
        ] {
            for platform in Platform::ALL {
                packed(platform, &format!("{}{rest}", beginning(platform)));
                packed(platform, rest);
            }
        }
    }
}
