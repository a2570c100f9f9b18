//! A payment that a payer names by PayJS's number.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};

use crate::{
    gateway::{Gateway, PaymentRef},
    order::OutTradeNo,
};

/// The time zone of PayJS's numbers.
const CHINA: Offset = Offset::constant(8);
/// All samples have 25 digits; the shortest and longest in PayJS's documents have 16 and 32.
const DIGITS: std::ops::RangeInclusive<usize> = 16..=32;
const TIME_DIGITS: usize = 14;
/// PayJS's clock and ours may differ.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(1);

/// Texts that JavaScript makes of a missing number.
const NOTHING: [&str; 4] = ["", "undefined", "null", "NaN"];

/// A payment that a payer named: a number that begins with the time at which PayJS made its order, e.g.
/// `2026112212000000000000001`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPayment {
    text: String,
    made_at: Timestamp,
}

/// Why a text is not the number of a payment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "payjs_order_id must be the number that PayJS gave: digits only, the first 14 of them its date and time"
)]
pub struct NotAPaymentNumber;

impl NamedPayment {
    /// The error for a number that does not [fit](Self::fits).
    pub const DOES_NOT_FIT: &str =
        "payjs_order_id is not of this order: PayJS made it before the order or in the future";

    /// Parses the `payjs_order_id` of a client; none if it names nothing.
    pub fn of_payjs(text: &str) -> Result<Option<Self>, NotAPaymentNumber> {
        let text = text.trim();
        (!NOTHING.contains(&text)).then(|| text.parse()).transpose()
    }

    /// The payment as one of this order.
    pub fn of(&self, out_trade_no: &OutTradeNo) -> PaymentRef {
        PaymentRef {
            gateway: Gateway::Payjs,
            out_trade_no: out_trade_no.clone(),
            payment_id: self.text.clone(),
        }
    }

    /// Whether a payment with this number can be for an order that was made at this time. PayJS makes its own order later,
    /// and never in the future.
    pub fn fits(&self, order_made_at: Timestamp, now: Timestamp) -> bool {
        self.made_at.duration_since(order_made_at) >= -TOLERANCE
            && self.made_at.duration_since(now) <= TOLERANCE
    }
}

impl FromStr for NamedPayment {
    type Err = NotAPaymentNumber;

    fn from_str(text: &str) -> Result<Self, NotAPaymentNumber> {
        if !DIGITS.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAPaymentNumber);
        }
        let time = text.get(..TIME_DIGITS).ok_or(NotAPaymentNumber)?;
        let time = DateTime::strptime("%Y%m%d%H%M%S", time).map_err(|_| NotAPaymentNumber)?;
        let made_at = CHINA.to_timestamp(time).map_err(|_| NotAPaymentNumber)?;
        Ok(Self {
            text: text.to_owned(),
            made_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_with_a_time_are_numbers_of_payments() {
        assert!("2025010112345600512345678".parse::<NamedPayment>().is_ok());
        for (text, why) in [
            ("", "nothing"),
            ("20250101123456", "the time alone"),
            ("2025130112345600512345678", "a month that is none"),
            ("2025010124005600512345678", "an hour that is none"),
            ("9999999999999999999999999", "no time"),
            ("202501011234560051234567a", "a letter"),
            ("２０２５０１０１１２３４５６００", "full-width digits"),
            ("undefined", "a client's mistake"),
            (&"2".repeat(33), "too long"),
        ] {
            assert_eq!(
                text.parse::<NamedPayment>(),
                Err(NotAPaymentNumber),
                "{why}"
            );
        }
    }

    #[test]
    fn a_payment_is_made_after_its_order_and_before_now() {
        // 04:34:56 UTC.
        let number: NamedPayment = "2025010112345600512345678".parse().unwrap();
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let order = time("2025-01-01T04:30:00Z");
        assert!(number.fits(order, time("2025-01-01T04:35:00Z")));
        assert!(number.fits(order, time("2025-03-01T00:00:00Z")));
        // Clocks that differ by less than an hour.
        assert!(number.fits(time("2025-01-01T05:30:00Z"), time("2025-01-01T05:31:00Z")));
        assert!(number.fits(order, time("2025-01-01T04:00:00Z")));
        assert!(!number.fits(time("2025-01-01T06:00:00Z"), time("2025-01-01T06:01:00Z")));
        assert!(!number.fits(order, time("2025-01-01T03:30:00Z")));
    }
}
