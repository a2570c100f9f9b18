//! The backoff of failed events.

use std::time::Duration;

use heyi_common::backoff::jitter;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// The delay before the next attempt, with a jitter of ±20 % to spread retries.
///
/// | attempts before | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 and more |
/// |---|---|---|---|---|---|---|---|---|---|---|
/// | seconds | 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256 | 300 |
pub(crate) fn retry_delay(attempt: u32) -> Duration {
    jitter(base(attempt))
}

/// Whether the delays of so many attempts add up to `limit`, ignoring jitter.
pub(crate) fn waited_for(attempts: u32, limit: Duration) -> bool {
    let mut left = limit;
    let mut waits = (0..attempts).map(base);
    while !left.is_zero() {
        let Some(wait) = waits.next() else {
            return false;
        };
        left = left.saturating_sub(wait);
    }
    true
}

fn base(attempt: u32) -> Duration {
    2_u32
        .checked_pow(attempt)
        .and_then(|factor| FIRST.checked_mul(factor))
        .map_or(LONGEST, |delay| delay.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_of_the_documentation_holds() {
        let seconds: Vec<u64> = (0..=10).map(|attempt| base(attempt).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn a_minute_is_six_waits() {
        let minute = Duration::from_secs(60);
        assert!(!waited_for(5, minute));
        assert!(waited_for(6, minute));
        assert!(waited_for(u32::MAX, minute));
        assert!(waited_for(0, Duration::ZERO));
    }

    proptest! {
        #[test]
        fn every_delay_is_within_its_bounds(attempt: u32) {
            let delay = retry_delay(attempt);
            prop_assert!(delay >= base(attempt).mul_f64(0.799) && delay <= base(attempt).mul_f64(1.201));
            prop_assert!(delay >= FIRST.mul_f64(0.799) && delay <= LONGEST.mul_f64(1.201));
        }
    }
}
