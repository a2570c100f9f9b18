//! Rate limit for warnings and errors by cause.
//!
//! A cause is a place in the code. It may write a burst of two lines, then one every five seconds. Further lines are
//! counted and summarized.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// Lines that a cause may write in a burst.
const BURST: f64 = 2.0;
/// Seconds per further line of a cause.
const SECONDS_A_LINE: f64 = 5.0;
/// How often the number of suppressed lines is written.
const SUMMARIZE_EVERY: Duration = Duration::from_secs(10);
/// Fields of lines that are never suppressed: each is about one payment, is written once, or is a summary of this layer.
const ALWAYS: [&str; 3] = ["outcome", "once", "left_out"];

/// The layer. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Throttle(Arc<Mutex<HashMap<Identifier, Cause>>>);

struct Cause {
    /// Number of lines that may be written now.
    tokens: f64,
    /// The time of that number.
    at: Instant,
    left_out: u64,
    /// The message of the first suppressed line.
    like: String,
    next_summary: Instant,
}

impl Cause {
    fn new(now: Instant) -> Self {
        Self {
            tokens: BURST,
            at: now,
            left_out: 0,
            like: String::new(),
            next_summary: now,
        }
    }

    /// Takes a token. False if there is none.
    fn admit(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed / SECONDS_A_LINE).min(BURST);
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

impl Throttle {
    /// Writes the number of suppressed lines. Call it about once a second.
    pub(super) fn summarize(&self, now: Instant) {
        let mut summaries = Vec::new();
        for cause in self.causes().values_mut() {
            if cause.left_out > 0 && now >= cause.next_summary {
                cause.next_summary = now + SUMMARIZE_EVERY;
                let left_out = std::mem::take(&mut cause.left_out);
                summaries.push((left_out, std::mem::take(&mut cause.like)));
            }
        }
        // Outside the lock, since writing a line takes it again.
        for (left_out, like) in summaries {
            tracing::warn!(left_out, like, "more lines of one kind were left out");
        }
    }

    fn admit(&self, event: &Event<'_>, now: Instant) -> bool {
        let mut causes = self.causes();
        let cause = causes
            .entry(event.metadata().callsite())
            .or_insert_with(|| Cause::new(now));
        if cause.admit(now) {
            return true;
        }
        if cause.left_out == 0 {
            event.record(&mut Message(&mut cause.like));
        }
        cause.left_out += 1;
        false
    }

    fn causes(&self) -> MutexGuard<'_, HashMap<Identifier, Cause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Throttle {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let is_always = || {
            let fields = metadata.fields();
            ALWAYS.iter().any(|name| fields.field(name).is_some())
        };
        *metadata.level() > Level::WARN || is_always() || self.admit(event, Instant::now())
    }
}

/// Extracts the message from the fields of an event.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The log of `work`.
    fn logged(work: impl FnOnce(&Throttle)) -> String {
        let throttle = Throttle::default();
        let text = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::fmt()
            .with_writer({
                let text = text.clone();
                move || Shared(text.clone())
            })
            .with_ansi(false)
            .finish()
            .with(throttle.clone());
        tracing::subscriber::with_default(subscriber, || work(&throttle));
        let text = text.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_cause_writes_two_lines_and_how_many_were_left_out() {
        let text = logged(|throttle| {
            for number in 0..5000 {
                tracing::error!(number, "Redis is away");
            }
            tracing::warn!("something else");
            throttle.summarize(Instant::now());
            // At most one summary in ten seconds.
            throttle.summarize(Instant::now());
        });
        assert_eq!(text.matches("Redis is away number=").count(), 2, "{text}");
        assert_eq!(text.matches("something else").count(), 1, "{text}");
        let summary = "more lines of one kind were left out left_out=4998 like=\"Redis is away\"";
        assert_eq!(text.matches(summary).count(), 1, "{text}");
    }

    #[test]
    fn outcomes_and_what_is_no_warning_are_always_written() {
        let text = logged(|_| {
            for number in 0..100 {
                tracing::error!(outcome = "dead", number, "dead letter");
                tracing::info!(number, "promoted");
            }
        });
        assert_eq!(text.lines().count(), 200, "{text}");
    }

    #[test]
    fn a_cause_that_goes_on_writes_a_line_in_five_seconds() {
        let start = Instant::now();
        let mut cause = Cause::new(start);
        let written = (0..600)
            .filter(|tenth| cause.admit(start + Duration::from_millis(100 * tenth)))
            .count();
        assert!((13..=14).contains(&written), "{written} lines in a minute");
    }
}
