//! systemd's watchdog. Parts of the process show progress; if one is stuck, the pings stop and systemd restarts the
//! process.

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

/// How often a runtime shows that it runs its tasks, and the timeout of that.
const BEAT_EVERY: Duration = Duration::from_secs(1);
const BEAT_WITHIN: Duration = Duration::from_secs(10);
/// Timeout of the check whether Redis answers while a part is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// No deadline.
const NEVER: u64 = u64::MAX;

/// The watched parts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Watchdog(Arc<Mutex<Vec<Pulse>>>);

impl Watchdog {
    /// Adds a part with a kind and a name.
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

    /// A part that is stuck.
    fn stuck(&self) -> Option<Pulse> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().find(|part| part.is_late()).cloned()
    }
}

/// The handle with which a part shows progress. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Part>);

#[derive(Debug)]
struct Part {
    kind: &'static str,
    name: String,
    start: Instant,
    /// The time after which the part is stuck unless it shows progress, in ms after `start`.
    deadline: AtomicU64,
}

impl Pulse {
    /// Shows progress, and promises more within this time.
    pub fn within(&self, time: Duration) {
        failpoint::freeze(self.0.kind);
        let deadline = self.0.start.elapsed() + time;
        let deadline = u64::try_from(deadline.as_millis()).unwrap_or(NEVER);
        self.0.deadline.store(deadline, Ordering::Relaxed);
    }

    /// Shows periodically that the runtime that polls this runs its tasks.
    pub async fn beat(self) {
        loop {
            self.within(BEAT_WITHIN);
            sleep(BEAT_EVERY).await;
        }
    }

    /// Pauses the deadline, while the part waits for something that may take any time.
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

/// Notifies systemd that this process is ready, and then, until `stop`, that no part is stuck, including this runtime.
/// Parts that need Redis may be stuck while the Redis of these settings does not answer.
///
/// The pings come from a thread with its own runtime and connections, so that nothing else can block them.
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
    // Two pings may be late within the limit.
    let mut tick = interval(limit / 3);
    while !stop.is_cancelled() {
        tick.tick().await;
        match watchdog.stuck() {
            Some(part) if answers(redis).await && part.is_late() => {
                tracing::error!(%part, "a part of the process is stuck: the watchdog gets no ping");
            }
            _ => notify(&[NotifyState::Watchdog]),
        }
    }
}

/// Notifies systemd that this process ends.
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
