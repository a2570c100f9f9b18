//! Waiting longer after each failure.

use std::time::Duration;

/// A delay that doubles from a first to a longest one.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// From `first`, doubling, to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// For connecting again: from 50 ms to 1 s.
    pub fn reconnect() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(1))
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Waits, with a jitter of 20 % up or down.
    pub async fn wait(&mut self) {
        let delay = jitter(self.next);
        self.next = (self.next * 2).min(self.longest);
        tokio::time::sleep(delay).await;
    }
}

/// `delay` by a factor from 0.8 to 1.2, so that many do not come back at the same time.
pub fn jitter(delay: Duration) -> Duration {
    delay.mul_f64(rand::random_range(0.8..=1.2))
}
