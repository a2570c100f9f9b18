//! Exponential backoff.

use std::time::Duration;

/// A delay that doubles after each failure, up to a maximum.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// A delay from `first`, doubling up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The backoff of reconnects: from 50 ms to 1 s.
    pub fn reconnect() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(1))
    }

    /// Resets the delay after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Waits, with a jitter of 20 %.
    pub async fn wait(&mut self) {
        let delay = jitter(self.next);
        self.next = (self.next * 2).min(self.longest);
        tokio::time::sleep(delay).await;
    }
}

/// Multiplies `delay` by a random factor from 0.8 to 1.2, so that many clients do not return at the same time.
pub fn jitter(delay: Duration) -> Duration {
    delay.mul_f64(rand::random_range(0.8..=1.2))
}
