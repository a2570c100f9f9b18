//! The output of commands.

use std::io::{self, ErrorKind, Write as _};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// The output format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    pub(super) json: bool,
}

impl Out {
    /// Prints a remark for the operator on standard error.
    pub(super) fn remark(self, text: &str) {
        if !self.json {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Prints `value` as JSON or as text.
    pub(super) fn show(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = if self.json {
            serde_json::to_string_pretty(value)?
        } else {
            text()
        };
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
        match written {
            // The reader has closed the pipe, e.g. `head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Formats a time in ms since 1970 as RFC 3339 in seconds; `-` if the text is invalid.
pub(super) fn time(ms: &str) -> String {
    let time = ms
        .parse()
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "-".to_owned(), |time| format!("{time:.0}"))
}

/// Formats an amount in fen as yuan.
pub(super) fn yuan(fen: u32) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// Formats a duration, e.g. `2h 5m 7s`.
pub(super) fn duration(ms: u64) -> String {
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    format!("{:#}", SignedDuration::from_secs(seconds))
}

/// Formats a number with thousands separators, e.g. `10,003`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1_000, 10_003, 1_234_567].map(count),
            ["0", "999", "1,000", "10,003", "1,234,567"]
        );
        assert_eq!([1, 990, 1_000_000].map(yuan), ["0.01", "9.90", "10000.00"]);
        assert_eq!(time("1795354186600"), "2026-11-22T13:29:46Z");
        assert_eq!(time(""), "-");
        assert_eq!(
            [7, 1_999, 7_507_000].map(duration),
            ["7 ms", "1s", "2h 5m 7s"]
        );
    }
}
