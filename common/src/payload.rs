//! Payloads: the texts of receive codes, and the allow-list of their patterns.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::LazyLock};

use regex::Regex;
use serde::{Deserialize, Deserializer};

use crate::platform::Platform;

/// Maximum number of characters of a payload. A bound here costs nothing; a bound on a class of many characters in a
/// pattern is compiled into as many copies of the class.
const LONGEST: usize = 1_000;

/// Maximum number of bytes of all payloads of a code, to limit the size of orders in Redis. Real codes of all platforms
/// have about 500. Any text up to this size fits into a QR code.
pub const LARGEST: usize = 2_048;

/// Payloads of one composite code by platform.
pub type Payloads = BTreeMap<Platform, String>;

/// Why a payload is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PayloadError {
    /// A code with which anybody who reads it can take money from its owner.
    #[error(
        "payloads.{0} is a payment code (付款码), with which anybody who sees it can take your money; \
         save the receive code (收款码) instead"
    )]
    PaymentCode(Platform),
    /// It matches no pattern of the platform.
    #[error("payloads.{0} is not a receive code of {0} that we know; scan the receive code again")]
    Unknown(Platform),
    /// The code of WeChat's receive screen.
    #[error(
        "payloads.wechat is the code of the receive screen, which may only work face to face: tap 保存收款码 (save \
         receive code) there and scan the saved picture; to use this one all the same, send data.confirmed = true"
    )]
    ReceiveScreen,
    /// A code of the platform, but not a known form of receive code.
    #[error(
        "payloads.{0} is a code of {0}, but perhaps no receive code: pay a small amount with it first; \
         if it works, send data.confirmed = true"
    )]
    Unconfirmed(Platform),
    /// All payloads together are too long.
    #[error(
        "data.payloads must have at most {LARGEST} bytes in all, and {platform} has {bytes} bytes; \
         scan the receive code again"
    )]
    TooLarge {
        /// The platform of the longest.
        platform: Platform,
        /// Its size.
        bytes: usize,
    },
}

/// Checks the total size of payloads.
pub fn check_total(payloads: &Payloads) -> Result<(), PayloadError> {
    let total: usize = payloads.values().map(String::len).sum();
    let longest = payloads.iter().max_by_key(|(_, payload)| payload.len());
    match longest {
        Some((platform, payload)) if total > LARGEST => Err(PayloadError::TooLarge {
            platform: *platform,
            bytes: payload.len(),
        }),
        _ => Ok(()),
    }
}

/// The patterns of each platform's codes: regular expressions over the whole payload.
#[derive(Debug, Clone)]
pub struct AllowList {
    known: Forms,
    other: Forms,
}

type Forms = BTreeMap<Platform, Vec<Regex>>;

impl AllowList {
    /// Checks that `payload` has a known form of `platform`; if its owner has `confirmed` it, any form of `platform`.
    pub fn check(
        &self,
        platform: Platform,
        payload: &str,
        confirmed: bool,
    ) -> Result<(), PayloadError> {
        if is_payment_code(payload) {
            return Err(PayloadError::PaymentCode(platform));
        }
        if self.knows(platform, payload) {
            return Ok(());
        }
        match matches(&self.other, platform, payload) {
            true if confirmed => Ok(()),
            true if is_receive_screen(payload) => Err(PayloadError::ReceiveScreen),
            true => Err(PayloadError::Unconfirmed(platform)),
            false => Err(PayloadError::Unknown(platform)),
        }
    }

    /// Whether `payload` has a known form of a receive code of `platform`.
    pub fn knows(&self, platform: Platform, payload: &str) -> bool {
        matches(&self.known, platform, payload)
    }

    /// Whether a code may hold `payload`: it has a known form, or another one that its owner may have confirmed.
    pub fn permits(&self, platform: Platform, payload: &str) -> bool {
        self.knows(platform, payload) || matches(&self.other, platform, payload)
    }

    /// The platforms with at least one known form.
    pub fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        self.known
            .iter()
            .filter(|(_, forms)| !forms.is_empty())
            .map(|(platform, _)| *platform)
    }
}

fn matches(forms: &Forms, platform: Platform, payload: &str) -> bool {
    let forms = forms.get(&platform);
    payload.chars().count() <= LONGEST
        && forms.is_some_and(|forms| forms.iter().any(|form| form.is_match(payload)))
}

impl<'de> Deserialize<'de> for AllowList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Texts {
            #[serde(default)]
            other: BTreeMap<Platform, Vec<String>>,
            #[serde(flatten)]
            known: BTreeMap<Platform, Vec<String>>,
        }

        let Texts { other, known } = Texts::deserialize(deserializer)?;
        let compiled = |texts| compile(texts).map_err(serde::de::Error::custom);
        Ok(Self {
            known: compiled(known)?,
            other: compiled(other)?,
        })
    }
}

fn compile(texts: BTreeMap<Platform, Vec<String>>) -> Result<Forms, regex::Error> {
    let whole = |form: String| Regex::new(&format!(r"\A(?:{form})\z"));
    texts
        .into_iter()
        .map(|(platform, forms)| {
            let forms: Result<_, _> = forms.into_iter().map(whole).collect();
            Ok((platform, forms?))
        })
        .collect()
}

/// Normalizes a payload for storage. Alipay's saved pictures end in a time with a blank in it, which scanning apps ignore.
pub fn normalized(payload: &str) -> &str {
    static SAVED_AT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)\A(https://qr\.alipay\.com/\w+)\?0&T=[0-9 :%+T-]*\z").ok()
    });
    let found = SAVED_AT.as_ref().and_then(|form| form.captures(payload));
    let address = found.and_then(|found| found.get(1));
    address.map_or(payload, |address| address.as_str())
}

/// Whether `payload` is that of WeChat's yellow receive screen, which is said to work only face to face.
pub fn is_receive_screen(payload: &str) -> bool {
    payload.starts_with("wxp://f2f6")
}

/// Payment codes (付款码) of WeChat, Alipay, QQ, UnionPay and JD: their first two digits, and their number of digits.
const PAYMENT_CODES: [(RangeInclusive<u8>, RangeInclusive<usize>); 5] = [
    (10..=15, 18..=18),
    (25..=30, 16..=24),
    (91..=91, 18..=18),
    (62..=62, 19..=19),
    (18..=18, 18..=18),
];

/// Whether `text` is a personal payment code (付款码), also with blanks between the digits.
pub fn is_payment_code(text: &str) -> bool {
    let is_blank = |c: char| c.is_whitespace() || c == '-';
    if !text.chars().all(|c| c.is_ascii_digit() || is_blank(c)) {
        return false;
    }
    let digits: String = text.chars().filter(|c| !is_blank(*c)).collect();
    let Some(head) = digits.get(..2).and_then(|head| head.parse().ok()) else {
        return false;
    };
    PAYMENT_CODES
        .iter()
        .any(|(heads, lengths)| heads.contains(&head) && lengths.contains(&digits.len()))
}

#[cfg(test)]
mod tests;
