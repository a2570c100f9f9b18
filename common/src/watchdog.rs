//! systemd's watchdog, fed by the parts of the process that do the work: when one of them stands still, the pings stop,
//! and systemd starts the process anew.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;
use tokio::{
    runtime::Builder,
    time::{interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{config, failpoint, redis::Redis};

/// How often a runtime shows that it runs its tasks, and how long it may take to.
const BEAT_EVERY: Duration = Duration::from_secs(1);
const BEAT_WITHIN: Duration = Duration::from_secs(10);
/// How long Redis may take to answer when a part stands still.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A deadline that never comes.
const NEVER: u64 = u64::MAX;

/// The parts that are watched. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Watchdog(Arc<Mutex<Vec<Pulse>>>);

impl Watchdog {
    /// Watches one more part, which is of a kind and has a name.
    pub fn part(&self, kind: &'static str, name: &impl ToString) -> Pulse {
        let pulse = Pulse(Arc::new(Part {
            kind,
            name: name.to_string(),
            start: Instant::now(),
            deadline: AtomicU64::new(NEVER),
        }));
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(pulse.clone());
        pulse
    }

    /// A part that stands still.
    fn stuck(&self) -> Option<Pulse> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().find(|part| part.is_late()).cloned()
    }
}

/// By which a part shows that it moves. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Part>);

#[derive(Debug)]
struct Part {
    kind: &'static str,
    name: String,
    start: Instant,
    /// When the part stands still unless it moved again, in ms after `start`.
    deadline: AtomicU64,
}

impl Pulse {
    /// Says that the part moves, and will again within this time.
    pub fn within(&self, time: Duration) {
        failpoint::freeze(self.0.kind);
        let deadline = self.0.start.elapsed() + time;
        let deadline = u64::try_from(deadline.as_millis()).unwrap_or(NEVER);
        self.0.deadline.store(deadline, Ordering::Relaxed);
    }

    /// Shows again and again that the runtime in which this is polled runs its tasks.
    pub async fn beat(self) {
        loop {
            self.within(BEAT_WITHIN);
            sleep(BEAT_EVERY).await;
        }
    }

    /// Says that the part waits for something that may take any time.
    pub fn rest(&self) {
        self.0.deadline.store(NEVER, Ordering::Relaxed);
    }

    fn is_late(&self) -> bool {
        let deadline = self.0.deadline.load(Ordering::Relaxed);
        deadline != NEVER && self.0.start.elapsed() > Duration::from_millis(deadline)
    }
}

impl fmt::Display for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.kind, self.0.name)
    }
}

/// Tells systemd that this process is ready, and then, until `stop`, that all parts move: this runtime too. Parts that need
/// Redis may stand still while the one of these settings does not answer.
///
/// The pings come from a thread with a runtime and connections of its own, which stand still with nothing else.
pub fn announce_ready(
    stop: CancellationToken,
    watchdog: Watchdog,
    redis: Option<&config::Redis>,
) -> anyhow::Result<()> {
    notify(&[NotifyState::Ready]);
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return Ok(());
    };
    tokio::spawn(watchdog.part("runtime", &"main").beat());
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let redis = redis.map(Redis::new).transpose()?;
    drop(inside);
    thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || runtime.block_on(ping(&stop, &watchdog, limit, redis.as_ref())))?;
    Ok(())
}

async fn ping(
    stop: &CancellationToken,
    watchdog: &Watchdog,
    limit: Duration,
    redis: Option<&Redis>,
) {
    // Two may be late before the limit is over.
    let mut tick = interval(limit / 3);
    while !stop.is_cancelled() {
        tick.tick().await;
        match watchdog.stuck() {
            Some(part) if answers(redis).await && part.is_late() => {
                tracing::error!(%part, "a part of the process stands still: the watchdog gets no ping");
            }
            _ => notify(&[NotifyState::Watchdog]),
        }
    }
}

/// Tells systemd that this process ends.
pub(crate) fn announce_stopping() {
    notify(&[NotifyState::Stopping]);
}

async fn answers(redis: Option<&Redis>) -> bool {
    match redis {
        None => true,
        Some(redis) => matches!(timeout(ANSWER_WITHIN, redis.ping()).await, Ok(Ok(()))),
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_stuck_once_it_is_late_and_not_while_it_rests() {
        let watchdog = Watchdog::default();
        let (first, second) = (watchdog.part("http", &0), watchdog.part("http", &1));
        let stuck = || watchdog.stuck().map(|part| part.to_string());
        assert_eq!(stuck(), None);
        first.within(Duration::from_secs(60));
        second.within(Duration::ZERO);
        while !second.is_late() {
            std::thread::yield_now();
        }
        assert_eq!(stuck().as_deref(), Some("http 1"));
        second.rest();
        assert_eq!(stuck(), None);
    }
}
