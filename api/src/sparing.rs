//! Log lines that strangers cause: so many that an attack is seen, so few that it fills no disk.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
};

use governor::{DefaultDirectRateLimiter, Quota};

/// Lines a second, and at once.
const LINES: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// Says which of many lines are to be written.
pub(crate) struct Sparing {
    limiter: DefaultDirectRateLimiter,
    left_out: AtomicU64,
}

impl Sparing {
    /// Ten lines a second.
    pub(crate) fn new() -> Self {
        Self {
            limiter: DefaultDirectRateLimiter::direct(Quota::per_second(LINES)),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether the next line is to be written, and how many before it were not.
    pub(crate) fn admit(&self) -> Option<u64> {
        if self.limiter.check().is_ok() {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        let sparing = Sparing::new();
        let (mut asked, mut written, mut left_out) = (0_u64, 0_u64, 0_u64);
        // More than one second's worth, then until a line tells of those before it.
        while asked < 1000 || left_out == 0 {
            asked += 1;
            if let Some(before) = sparing.admit() {
                written += 1;
                left_out += before;
            }
        }
        assert!(written + left_out <= asked);
        assert!(written >= 10, "{written}");
        assert!(left_out > written, "{left_out} left out, {written} written");
    }
}
