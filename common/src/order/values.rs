//! Values that are validated when they are made.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a text or number is not a valid value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ValueError(pub(super) &'static str);

/// The merchant's number of an order: 1 to 32 letters, digits, `_` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct OutTradeNo(String);

const MAX_OUT_TRADE_NO: usize = 32;
const TIME_DIGITS: usize = 14;
const RANDOM_BYTES: usize = 9;
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

impl OutTradeNo {
    /// Draws a random number until it `is_wanted`: the UTC time to the second, then 72 bits. It is unique and cannot be
    /// guessed. A draw takes about 0.1 µs; with 1,024 partitions, one in 1,024 numbers fits.
    pub(crate) fn draw(now: Timestamp, is_wanted: impl Fn(&Self) -> bool) -> Self {
        let mut number = Self(now.strftime("%Y%m%d%H%M%S").to_string());
        loop {
            let random: [u8; RANDOM_BYTES] = rand::random();
            for byte in random {
                for digit in [byte >> 4, byte & 15] {
                    number.0.push(char::from(HEX_DIGITS[usize::from(digit)]));
                }
            }
            if is_wanted(&number) {
                return number;
            }
            number.0.truncate(TIME_DIGITS);
        }
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the order was made, if its number has the form of ours. Anybody can make up such a number.
    pub fn made_at(&self) -> Option<Timestamp> {
        let (time, random) = self.0.split_at_checked(TIME_DIGITS)?;
        let is_ours = random.len() == 2 * RANDOM_BYTES
            && random.bytes().all(|byte| byte.is_ascii_hexdigit())
            && time.bytes().all(|byte| byte.is_ascii_digit());
        let time = DateTime::strptime("%Y%m%d%H%M%S", time).ok();
        time.filter(|_| is_ours)
            .and_then(|time| Offset::UTC.to_timestamp(time).ok())
    }
}

impl FromStr for OutTradeNo {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if is_word(text, MAX_OUT_TRADE_NO) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueError(
                "out_trade_no must be 1 to 32 letters, digits, _ or -",
            ))
        }
    }
}

/// A person as the mini-program's appid knows them: 1 to 64 letters, digits, `_` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct OpenId(String);

const MAX_OPENID: usize = 64;

impl OpenId {
    /// The openid as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OpenId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if is_word(text, MAX_OPENID) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueError("openId must be the openid that /login answered"))
        }
    }
}

/// An amount in fen, from 1 to 1,000,000 (the range of the gateway).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u32", into = "u32")]
#[schema(minimum = 1, maximum = 1_000_000)]
pub struct Fee(u32);

impl Fee {
    /// The amount of `fen`.
    pub fn new(fen: u32) -> Result<Self, ValueError> {
        if (1..=1_000_000).contains(&fen) {
            Ok(Self(fen))
        } else {
            Err(ValueError(
                "totalFee must be an integer in fen, from 1 to 1000000",
            ))
        }
    }

    /// The amount in fen.
    pub fn fen(self) -> u32 {
        self.0
    }
}

impl FromStr for Fee {
    type Err = ValueError;

    /// Decimal digits only: no sign, no point, no leading zero.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        let fen = if plain { text.parse().unwrap_or(0) } else { 0 };
        Self::new(fen)
    }
}

impl From<Fee> for u32 {
    fn from(fee: Fee) -> Self {
        fee.0
    }
}

impl TryFrom<u32> for Fee {
    type Error = ValueError;

    fn try_from(fen: u32) -> Result<Self, ValueError> {
        Self::new(fen)
    }
}

impl fmt::Display for Fee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! text_value {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = ValueError;

            fn try_from(text: String) -> Result<Self, ValueError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text_value!(OutTradeNo, OpenId);

fn is_word(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_plain_integers_in_fen() {
        for (text, fen) in [("1", 1), ("990", 990), ("1000000", 1_000_000)] {
            assert_eq!(text.parse::<Fee>().map(Fee::fen), Ok(fen));
        }
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "01",
            "9.9",
            "1e3",
            "1000001",
            "99999999999999999999",
            " 1",
            "１",
        ] {
            assert!(text.parse::<Fee>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn random_numbers_have_32_characters_and_differ() {
        let now = Timestamp::now();
        let draw = || OutTradeNo::draw(now, |_| true);
        let (one, two) = (draw(), draw());
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), MAX_OUT_TRADE_NO);
        let made_at = one.made_at().unwrap();
        assert_eq!(made_at.as_second(), now.as_second());
        assert_eq!(one.as_str().parse(), Ok(one));
    }

    #[test]
    fn only_a_number_of_our_form_tells_when_its_order_was_made() {
        for text in [
            "A1",
            "QR20250101123456ABCDEF",
            "20251301123456aaaaaaaaaaaaaaaaaa",
            "20250101123456zzzzzzzzzzzzzzzzzz",
            "20250101123456aaaaaaaaaaaaaaaaa",
        ] {
            let number: OutTradeNo = text.parse().unwrap();
            assert_eq!(number.made_at(), None, "{text}");
        }
    }

    #[test]
    fn numbers_that_could_confuse_a_key_are_refused() {
        for text in ["", "a b", "a:b", "{1}", "a\n", "中文", &"a".repeat(33)] {
            assert!(text.parse::<OutTradeNo>().is_err(), "{text:?}");
        }
    }
}
