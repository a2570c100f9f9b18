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
    /// The same as base64: the bytes that so many characters are worth which were added to make the last four whole.
    Base64 {
        /// At most three.
        added: u8,
    },
}

/// Where a receive code is kept: its form in four bits, and in twelve how many bytes it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(u16);

impl Place {
    /// No receive code.
    pub(super) const NONE: Self = Self(0);
    const LENGTH_BITS: u32 = 12;

    /// None when these are more bytes than any receive code takes.
    pub(super) fn new(form: Form, length: usize) -> Option<Self> {
        let length = u16::try_from(length).ok()?;
        let fits = length >> Self::LENGTH_BITS == 0;
        fits.then_some(Self(form.number() << Self::LENGTH_BITS | length))
    }

    pub(super) fn form(self) -> Option<Form> {
        Form::with_number(self.0 >> Self::LENGTH_BITS)
    }

    /// In bytes.
    pub(super) fn length(self) -> usize {
        usize::from(self.0 & ((1 << Self::LENGTH_BITS) - 1))
    }
}

impl Form {
    /// From one on, less than sixteen.
    fn number(self) -> u16 {
        match self {
            Self::Whole => 1,
            Self::Rest => 2,
            Self::Hex => 3,
            Self::Around => 4,
            Self::Base64 { added } => 5 + u16::from(added),
        }
    }

    fn with_number(number: u16) -> Option<Self> {
        Some(match number {
            0 => return None,
            1 => Self::Whole,
            2 => Self::Rest,
            3 => Self::Hex,
            4 => Self::Around,
            more => Self::Base64 {
                added: u8::try_from(more - 5).ok()?,
            },
        })
    }
}

/// Of base64: what is worth bits that are all zero.
const FILLING: char = 'A';
/// A run of hexadecimal digits that is worth finding.
const LONG_RUN: usize = 32;

/// How most receive codes of a platform begin.
fn beginning(platform: Platform) -> &'static str {
    match platform {
        Platform::Wechat => "wxp://f2f0",
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
    let start = packed.len();
    for form in [hexadecimal, base64, around] {
        if let Some(form) = form(rest, packed) {
            return form;
        }
        packed.truncate(start);
    }
    packed.extend_from_slice(rest.as_bytes());
    Form::Rest
}

/// Capital digits would come back as small ones.
fn is_digit(character: char) -> bool {
    matches!(character, '0'..='9' | 'a'..='f')
}

fn hexadecimal(text: &str, packed: &mut Vec<u8>) -> Option<Form> {
    text.chars().all(is_digit).then_some(())?;
    let start = packed.len();
    packed.resize(start + text.len() / 2, 0);
    hex::decode_to_slice(text, &mut packed[start..]).ok()?;
    Some(Form::Hex)
}

fn base64(text: &str, packed: &mut Vec<u8>) -> Option<Form> {
    let mut whole = text.to_owned();
    while !whole.len().is_multiple_of(4) {
        whole.push(FILLING);
    }
    BASE64_URL_SAFE_NO_PAD.decode_vec(&whole, packed).ok()?;
    let added = whole.len() - text.len();
    packed.truncate(packed.len() - of_filling(added));
    let added = u8::try_from(added).ok()?;
    Some(Form::Base64 { added })
}

/// How many bytes at the end come of nothing but what was added.
fn of_filling(added: usize) -> usize {
    added * 6 / 8
}

fn around(text: &str, packed: &mut Vec<u8>) -> Option<Form> {
    let runs = text.split(|character| !is_digit(character));
    let run = runs
        .max_by_key(|run| run.len())
        .filter(|run| run.len() >= LONG_RUN)?;
    let digits = &run[..run.len() & !1];
    let (before, after) = text.split_once(digits)?;
    let [start, count] = [before.len(), digits.len() / 2].map(u8::try_from);
    packed.extend([start.ok()?, count.ok()?]);
    packed.extend_from_slice(before.as_bytes());
    hexadecimal(digits, packed)?;
    packed.extend_from_slice(after.as_bytes());
    Some(Form::Around)
}

/// The receive code that was [packed](pack) like this, unless these are bytes that [`pack`] never makes.
pub(super) fn unpack(platform: Platform, form: Form, packed: &[u8]) -> Option<String> {
    let rest = match form {
        Form::Whole => return Some(text(packed).into_owned()),
        Form::Rest => text(packed).into_owned(),
        Form::Hex => hex::encode(packed),
        Form::Around => unpack_around(packed)?,
        Form::Base64 { added } => unpack_base64(packed, added)?,
    };
    Some([beginning(platform), &rest].concat())
}

fn unpack_around(packed: &[u8]) -> Option<String> {
    let (&[start, count], packed) = packed.split_first_chunk()?;
    let (before, packed) = packed.split_at_checked(usize::from(start))?;
    let (digits, after) = packed.split_at_checked(usize::from(count))?;
    Some([&text(before), hex::encode(digits).as_str(), &text(after)].concat())
}

fn unpack_base64(packed: &[u8], added: u8) -> Option<String> {
    let added = usize::from(added);
    let mut whole = packed.to_vec();
    whole.resize(packed.len() + of_filling(added), 0);
    let mut text = BASE64_URL_SAFE_NO_PAD.encode(whole);
    text.truncate(text.len().checked_sub(added)?);
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
        let place = Place::new(form, bytes.len() - 1).unwrap();
        assert_eq!(place.form(), Some(form));
        assert_eq!(
            unpack(platform, form, &bytes[1..]).as_deref(),
            Some(payload)
        );
        (form, place.length())
    }

    #[test]
    fn digits_take_half_and_base64_three_quarters() {
        let jd = format!("https://h5pay.jd.com/c2cIndex?t={}", "00ff".repeat(16));
        assert_eq!(packed(Platform::Jd, &jd), (Form::Hex, 32));
        for (length, added, bytes) in [(45, 3, 34), (46, 2, 35), (47, 1, 36), (48, 0, 36)] {
            let wechat = format!("wxp://f2f0{}", &"EXAMPLE_".repeat(6)[..length]);
            let expected = (Form::Base64 { added }, bytes);
            assert_eq!(packed(Platform::Wechat, &wechat), expected);
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
    fn the_longest_receive_code_has_a_place() {
        let longest = "码".repeat(1_000);
        assert_eq!(packed(Platform::Qq, &longest), (Form::Whole, 3_000));
        assert!(Place::new(Form::Whole, 4_095).is_some());
        assert!(Place::new(Form::Whole, 4_096).is_none());
        assert!(Place::NONE.form().is_none());
    }

    #[test]
    fn whatever_it_is_comes_back_as_it_was() {
        let whole = "HTTPS://QR.ALIPAY.COM/FKX00000EXAMPLE000000";
        assert_eq!(packed(Platform::Alipay, whole), (Form::Whole, whole.len()));
        let capitals = "https://h5pay.jd.com/c2cIndex?t=00FF";
        assert_eq!(
            packed(Platform::Jd, capitals),
            (Form::Base64 { added: 0 }, 3)
        );
        let odd = "https://h5pay.jd.com/c2cIndex?t=0ff";
        assert_eq!(packed(Platform::Jd, odd), (Form::Base64 { added: 1 }, 3));
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
