//! Times as PayJS writes them: UTC+8, which its documents do not mention.

use jiff::{Timestamp, Zoned, tz};

/// `YYYY-MM-DD HH:MM:SS`.
pub(crate) fn readable(at: Timestamp) -> String {
    china(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `YYYYMMDDHHMMSS`.
pub(crate) fn digits(at: Timestamp) -> String {
    china(at).strftime("%Y%m%d%H%M%S").to_string()
}

fn china(at: Timestamp) -> Zoned {
    at.to_zoned(tz::TimeZone::fixed(tz::offset(8)))
}
