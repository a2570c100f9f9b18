//! Heartbeats: each consumer changes its own value, and the others watch for the changes.
//!
//! Each observer measures with its own clock. An expiry in Redis would follow Redis's wall clock: if that were set back by
//! an hour, a dead worker would seem alive for an hour.

use std::{collections::HashMap, time::Duration};

use futures::future::join_all;
use redis::RedisResult;
use tokio::{sync::watch, time::Instant};

use super::{Consumer, Partition};
use crate::{outage, redis::Script};

/// A consumer whose heartbeat did not change for this long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(8);
const EVERY: Duration = Duration::from_secs(2);
const EVERY_WHILE_AWAY: Duration = Duration::from_millis(500);

impl Consumer {
    /// Sends heartbeats until this consumer has left the group. Runs in its own task, so that no other work delays a
    /// heartbeat. Partitions are independent: an unavailable master does not delay heartbeats to others.
    pub async fn send_heartbeats(self) {
        let partitions = self.queue.keys.partitions();
        join_all(partitions.map(|partition| self.send_heartbeats_to(partition))).await;
    }

    async fn send_heartbeats_to(&self, partition: Partition) {
        let healthy_since = self.healthy_since(partition);
        let mut beat: u64 = 0;
        while !self.left.is_cancelled() {
            beat += 1;
            let pause = match self.send_heartbeat(partition, beat).await {
                Ok(()) => {
                    healthy_since.send_if_modified(|since| {
                        let recovered = since.is_none();
                        since.get_or_insert_with(Instant::now);
                        recovered
                    });
                    EVERY
                }
                Err(error) => {
                    healthy_since.send_replace(None);
                    outage::report("cannot send a heartbeat, trying again", &error);
                    EVERY_WHILE_AWAY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.left.cancelled() => {}
            }
        }
    }

    async fn send_heartbeat(&self, partition: Partition, beat: u64) -> RedisResult<()> {
        Script::new(include_str!("lua/heartbeat.lua"))
            .key(self.queue.keys.heartbeats(partition))
            .arg(&*self.name)
            .arg(beat)
            .invoke_async(&mut self.queue.connection())
            .await
    }

    /// The time since which heartbeats reach a partition.
    pub(super) fn healthy_since(&self, partition: Partition) -> &watch::Sender<Option<Instant>> {
        &self.healthy_since[usize::from(partition.number())]
    }
}

/// The heartbeats of the other consumers of one partition, as one consumer has seen them.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    /// The time since which this watches without an outage of Redis.
    healthy_since: Option<Instant>,
    seen: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    value: Option<String>,
    unchanged_since: Instant,
}

impl Heartbeats {
    /// Restarts after an outage of Redis since the last call: no consumer could send a heartbeat then.
    pub(super) fn forget_before(&mut self, healthy_since: Instant) {
        if self.healthy_since != Some(healthy_since) {
            self.healthy_since = Some(healthy_since);
            self.seen.clear();
        }
    }

    /// Records a heartbeat. Returns whether its consumer is dead.
    pub(super) fn is_dead(&mut self, consumer: &str, value: Option<&String>, now: Instant) -> bool {
        let seen = self
            .seen
            .entry(consumer.to_owned())
            .or_insert_with(|| Seen {
                value: value.cloned(),
                unchanged_since: now,
            });
        if seen.value.as_ref() != value {
            seen.value = value.cloned();
            seen.unchanged_since = now;
        }
        now.duration_since(seen.unchanged_since) >= DEAD_AFTER
    }

    /// Forgets consumers that no longer exist.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.seen.retain(|name, _| is_there(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_heartbeat_that_stays_the_same_is_one_of_the_dead() {
        let mut heartbeats = Heartbeats::default();
        let mut now = Instant::now();
        let seventh = "7".to_owned();
        heartbeats.forget_before(now);
        for beat in 0..20 {
            let lives = heartbeats.is_dead("lives", Some(&beat.to_string()), now);
            assert!(!lives, "beat {beat}");
            // It must be watched first, however long it has been dead.
            let died = heartbeats.is_dead("died", Some(&seventh), now);
            assert_eq!(died, beat * EVERY >= DEAD_AFTER, "beat {beat}");
            assert_eq!(heartbeats.is_dead("sent none", None, now), died);
            now += EVERY;
        }
        // No consumer could send a heartbeat during the outage.
        heartbeats.forget_before(now);
        assert!(!heartbeats.is_dead("died", Some(&seventh), now));
    }
}
