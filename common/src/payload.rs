//! Payloads: the texts inside receive codes, and the allow-list of their known forms.

use std::{collections::BTreeMap, fmt};

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize};

/// The most characters of a payload. A bound here costs nothing; one in a form, over a class of many
/// characters, is compiled into as many copies of the class.
const LONGEST: usize = 1_000;

/// The most bytes of all payloads of a code, so that no order takes much of Redis. Real ones of all platforms have about
/// 500. Whatever is this short fits into a QR code.
pub const LARGEST: usize = 2_048;

/// Payloads of one composite code by platform.
pub type Payloads = BTreeMap<Platform, String>;

/// A platform whose receive codes can be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// WeChat Pay (微信支付).
    Wechat,
    /// Alipay (支付宝).
    Alipay,
    /// QQ Wallet (QQ 钱包).
    Qq,
    /// UnionPay (云闪付).
    Unionpay,
    /// JD Pay (京东支付).
    Jd,
}

impl Platform {
    /// Every platform, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Wechat,
        Self::Alipay,
        Self::Qq,
        Self::Unionpay,
        Self::Jd,
    ];

    /// The name used in JSON and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wechat => "wechat",
            Self::Alipay => "alipay",
            Self::Qq => "qq",
            Self::Unionpay => "unionpay",
            Self::Jd => "jd",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a payload is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PayloadError {
    /// A code that lets whoever reads it take money from its owner.
    #[error(
        "payloads.{0} is a payment code (付款码), which lets whoever sees it take your money; \
         save the receive code (收款码) instead"
    )]
    PaymentCode(Platform),
    /// None of the platform's known forms.
    #[error("payloads.{0} is not a receive code of {0} that we know; scan the receive code again")]
    Unknown(Platform),
    /// They are too long together.
    #[error(
        "data.payloads must have at most {LARGEST} bytes in all, and {platform} has {bytes} bytes; \
         scan the receive code again"
    )]
    TooLarge {
        /// That of the longest.
        platform: Platform,
        /// What it takes.
        bytes: usize,
    },
}

/// Checks that payloads are short enough together.
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

/// The known forms of each platform's receive codes: regular expressions over the whole payload.
#[derive(Debug, Clone)]
pub struct AllowList(BTreeMap<Platform, Vec<Regex>>);

impl AllowList {
    /// Checks that `payload` has a known form of `platform`.
    pub fn check(&self, platform: Platform, payload: &str) -> Result<(), PayloadError> {
        if is_payment_code(payload) {
            return Err(PayloadError::PaymentCode(platform));
        }
        if self.knows(platform, payload) {
            Ok(())
        } else {
            Err(PayloadError::Unknown(platform))
        }
    }

    /// Whether `payload` has a known form of `platform`.
    pub fn knows(&self, platform: Platform, payload: &str) -> bool {
        let known = self.0.get(&platform);
        payload.chars().count() <= LONGEST
            && known.is_some_and(|forms| forms.iter().any(|form| form.is_match(payload)))
    }

    /// The platforms with at least one known form.
    pub fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        self.0
            .iter()
            .filter(|(_, forms)| !forms.is_empty())
            .map(|(platform, _)| *platform)
    }
}

impl<'de> Deserialize<'de> for AllowList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let forms = BTreeMap::<Platform, Vec<String>>::deserialize(deserializer)?;
        forms
            .into_iter()
            .map(|(platform, forms)| {
                let whole = forms
                    .iter()
                    .map(|form| Regex::new(&format!(r"\A(?:{form})\z")));
                Ok((platform, whole.collect::<Result<_, _>>()?))
            })
            .collect::<Result<_, regex::Error>>()
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// Whether `text` is a personal payment code (付款码): 18 digits that begin with 10 to 15 (WeChat), or 16 to
/// 24 digits that begin with 25 to 30 (Alipay). Blanks between the digits do not hide one.
pub fn is_payment_code(text: &str) -> bool {
    let is_blank = |c: char| c.is_whitespace() || c == '-';
    if !text.chars().all(|c| c.is_ascii_digit() || is_blank(c)) {
        return false;
    }
    let digits: String = text.chars().filter(|c| !is_blank(*c)).collect();
    let head: u8 = digits
        .get(..2)
        .and_then(|head| head.parse().ok())
        .unwrap_or(0);
    match digits.len() {
        18 if (10..=15).contains(&head) => true,
        16..=24 => (25..=30).contains(&head),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
