//! Log lines about a state that lasts.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a line about the same cause is written.
const EVERY: Duration = Duration::from_secs(60);

/// Passes a text that is new, and one that repeats once a minute.
#[derive(Debug, Default)]
pub struct RepeatFilter(Mutex<Option<(String, Instant)>>);

impl RepeatFilter {
    /// Whether this text is to be logged now.
    pub fn passes(&self, text: &str) -> bool {
        self.passes_at(text, Instant::now())
    }

    fn passes_at(&self, text: &str, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let repeats = last
            .as_ref()
            .is_some_and(|(said, at)| said == text && now.duration_since(*at) < EVERY);
        if !repeats {
            *last = Some((text.to_owned(), now));
        }
        !repeats
    }

    /// Forgets the last text, since the state is over.
    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_text_passes_once_a_minute() {
        let (filter, now) = (RepeatFilter::default(), Instant::now());
        assert!(filter.passes_at("a", now));
        assert!(!filter.passes_at("a", now));
        assert!(filter.passes_at("b", now));
        assert!(filter.passes_at("b", now + EVERY));
        assert!(!filter.passes_at("b", now + EVERY));
        filter.reset();
        assert!(filter.passes_at("b", now + EVERY));
    }
}
