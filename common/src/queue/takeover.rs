//! What becomes of the events of those who show no sign of life.

use std::{collections::BTreeMap, time::Duration};

use redis::{
    AsyncCommands, RedisResult, Script,
    streams::{
        StreamClaimOptions, StreamClaimReply, StreamInfoConsumersReply, StreamPendingCountReply,
        StreamPendingId,
    },
};
use tokio::time::Instant;

use super::{Consumer, DeadReason, GROUP, Partition, Queue, event::fields_of};
use crate::crash::{self, Point};

const EVERY: Duration = Duration::from_secs(1);
/// After Redis was away everybody's sign of life may have ended; others get this long to show a new one.
const GRACE: Duration = Duration::from_secs(5);
/// An event that somebody took a moment ago is not taken again.
const LEAST_IDLE: Duration = Duration::from_secs(1);
/// What this process was sent but does not know of was lost on the way when it is this old.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// An event that was delivered this often to workers that died becomes a dead letter.
const MOST_DELIVERIES: usize = 3;
/// How long new events wait for those that are handed on alone, before they have a turn again.
const EXAMINE_FOR: Duration = Duration::from_secs(5);
const SLICE: usize = 100;
/// The consumer that holds what a worker gave back when it ended. It never lives, so all of it is taken over.
const RELEASED: &str = "released";

impl Consumer {
    /// Takes over what dead consumers hold, and what never reached this one, until told to stop.
    pub async fn take_over(self) {
        while !self.stop.is_cancelled() {
            let healthy_since = *self.healthy_since.borrow();
            let is_done = match healthy_since {
                None => true,
                Some(since) => {
                    let swept = self.sweep(since.elapsed() >= GRACE).await;
                    swept.unwrap_or_else(|error| {
                        tracing::warn!(error = %error, "cannot look for events of dead workers, trying again");
                        true
                    })
                }
            };
            let pause = if is_done { EVERY } else { Duration::ZERO };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// False when dead consumers hold more than a slice.
    async fn sweep(&self, others: bool) -> RedisResult<bool> {
        let mut is_done = true;
        for partition in self.queue.keys.partitions() {
            self.queue.ensure_group(partition).await?;
            self.recover_lost(partition).await?;
            if others {
                is_done &= self.sweep_others(partition).await?;
            }
        }
        Ok(is_done)
    }

    async fn sweep_others(&self, partition: Partition) -> RedisResult<bool> {
        let mut is_done = true;
        let stream = self.queue.keys.notify(partition);
        let group: StreamInfoConsumersReply = self
            .queue
            .connection()
            .xinfo_consumers(&stream, GROUP)
            .await?;
        for consumer in group.consumers {
            let sign = self.queue.keys.alive(partition, &consumer.name);
            let lives: bool = self.queue.connection().exists(sign).await?;
            if lives || *consumer.name == *self.name {
                continue;
            }
            if consumer.pending == 0 {
                self.queue
                    .remove_consumer(partition, &consumer.name)
                    .await?;
            } else {
                is_done &= self.take_over_from(partition, &consumer.name).await?;
            }
        }
        Ok(is_done)
    }

    /// Takes a slice. False when there is more that can be taken now.
    async fn take_over_from(&self, partition: Partition, dead: &str) -> RedisResult<bool> {
        if !self.is_ready_for_more().await {
            return Ok(true);
        }
        let mut claims = 0;
        let pending = self.queue.pending(partition, dead, Duration::ZERO).await?;
        tracing::info!(
            consumer = dead,
            events = pending.len(),
            "taking over the events of a dead worker"
        );
        let is_full = pending.len() == SLICE;
        let (mut innocents, mut suspects) = (Vec::new(), Vec::new());
        for one in pending {
            if one.times_delivered >= MOST_DELIVERIES && dead != RELEASED {
                claims += self.take_poison(partition, &one).await?;
            } else if one.times_delivered + 1 >= MOST_DELIVERIES {
                suspects.push(one);
            } else {
                innocents.push(one);
            }
        }
        claims += self.take(partition, &innocents).await?;
        claims += self.examine(partition, suspects).await?;
        // Without a claim somebody else is at them, or they are too young.
        Ok(!is_full || claims == 0)
    }

    /// Claims events, by one command, and hands them on. Says how many it got.
    async fn take(&self, partition: Partition, pending: &[StreamPendingId]) -> RedisResult<usize> {
        if pending.is_empty() {
            return Ok(0);
        }
        let claimed = self.claim(partition, pending, LEAST_IDLE, None).await?;
        crash::point(Point::TakeoverClaimed);
        for entry in &claimed.ids {
            self.deliver(partition, entry).await?;
        }
        Ok(claimed.ids.len())
    }

    /// Claims an event of which workers died and makes it a dead letter.
    async fn take_poison(
        &self,
        partition: Partition,
        pending: &StreamPendingId,
    ) -> RedisResult<usize> {
        let one = std::slice::from_ref(pending);
        let claimed = self.claim(partition, one, LEAST_IDLE, None).await?;
        crash::point(Point::TakeoverClaimed);
        for entry in &claimed.ids {
            let error = format!(
                "{} workers died while they held it",
                pending.times_delivered
            );
            let fields = fields_of(entry);
            let event = super::Event::from_fields(&fields).ok();
            let number = event.and_then(|event| event.out_trade_no());
            let reason = DeadReason::Poison;
            self.queue
                .bury(partition, &entry.id, reason, &error, number, fields)
                .await?;
            crash::point(Point::TakeoverBuried);
        }
        Ok(claimed.ids.len())
    }

    /// Hands on events of which the next death would make poison, each when this process works on nothing else:
    /// whatever it dies of then was that one, and none is buried for having been beside it.
    async fn examine(
        &self,
        partition: Partition,
        suspects: Vec<StreamPendingId>,
    ) -> RedisResult<usize> {
        if suspects.is_empty() {
            return Ok(0);
        }
        let until = Instant::now() + EXAMINE_FOR;
        let examined = async {
            let _alone = self.handing_on.write().await;
            let mut claims = 0;
            for one in suspects {
                self.held.emptied().await;
                if Instant::now() > until {
                    break;
                }
                claims += self.take(partition, &[one]).await?;
            }
            self.held.emptied().await;
            Ok(claims)
        };
        let examined = self.stop.run_until_cancelled(examined).await;
        examined.unwrap_or(Ok(0))
    }

    /// Entries that Redis sent to this process but that never arrived, because a connection broke on the way.
    async fn recover_lost(&self, partition: Partition) -> RedisResult<()> {
        for one in self
            .queue
            .pending(partition, &self.name, LOST_AFTER)
            .await?
        {
            if !self.held.contains(partition, &one.id) {
                let deliveries = Some(one.times_delivered);
                let claimed = self
                    .claim(partition, &[one], LOST_AFTER, deliveries)
                    .await?;
                for entry in claimed.ids {
                    self.deliver(partition, &entry).await?;
                }
            }
        }
        Ok(())
    }

    async fn claim(
        &self,
        partition: Partition,
        pending: &[StreamPendingId],
        least_idle: Duration,
        deliveries: Option<usize>,
    ) -> RedisResult<StreamClaimReply> {
        let mut options = StreamClaimOptions::default();
        if let Some(deliveries) = deliveries {
            options = options.retry(deliveries);
        }
        let ids: Vec<&str> = pending.iter().map(|one| one.id.as_str()).collect();
        let stream = self.queue.keys.notify(partition);
        let least_idle = u64::try_from(least_idle.as_millis()).unwrap_or(u64::MAX);
        self.queue
            .connection()
            .xclaim_options(stream, GROUP, &*self.name, least_idle, &ids, options)
            .await
    }

    /// Gives back everything this process still holds and leaves the group. For the end of the process, when no
    /// handler runs any more.
    pub async fn release(&self) -> RedisResult<()> {
        self.left.cancel();
        for partition in self.queue.keys.partitions() {
            loop {
                let pending = self
                    .queue
                    .pending(partition, &self.name, Duration::ZERO)
                    .await?;
                if pending.is_empty() {
                    break;
                }
                let mut by_deliveries: BTreeMap<usize, Vec<String>> = BTreeMap::new();
                for one in pending {
                    by_deliveries
                        .entry(one.times_delivered)
                        .or_default()
                        .push(one.id);
                }
                for (deliveries, ids) in by_deliveries {
                    self.queue.give_back(partition, &ids, deliveries).await?;
                    crash::point(Point::ReleaseGivenBack);
                }
            }
            let sign = self.queue.keys.alive(partition, &self.name);
            let () = self.queue.connection().del(sign).await?;
            crash::point(Point::ReleaseUnsigned);
            self.queue.remove_consumer(partition, &self.name).await?;
        }
        Ok(())
    }
}

impl Queue {
    async fn pending(
        &self,
        partition: Partition,
        consumer: &str,
        idle: Duration,
    ) -> RedisResult<Vec<StreamPendingId>> {
        let reply: StreamPendingCountReply = redis::cmd("XPENDING")
            .arg(self.keys.notify(partition))
            .arg(GROUP)
            .arg("IDLE")
            .arg(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX))
            .arg("-")
            .arg("+")
            .arg(SLICE)
            .arg(consumer)
            .query_async(&mut self.connection())
            .await?;
        Ok(reply.ids)
    }

    /// Moves pending entries that were delivered so often to the consumer that never lives, as if they had been
    /// delivered once less.
    async fn give_back(
        &self,
        partition: Partition,
        ids: &[String],
        deliveries: usize,
    ) -> RedisResult<()> {
        let options = StreamClaimOptions::default()
            .idle(usize::try_from(LOST_AFTER.as_millis()).unwrap_or(usize::MAX))
            .retry(deliveries.saturating_sub(1))
            .with_justid();
        let stream = self.keys.notify(partition);
        self.connection()
            .xclaim_options(stream, GROUP, RELEASED, 0, ids, options)
            .await
    }

    async fn remove_consumer(&self, partition: Partition, consumer: &str) -> RedisResult<()> {
        Script::new(include_str!("lua/remove_consumer.lua"))
            .key(self.keys.notify(partition))
            .key(self.keys.alive(partition, consumer))
            .arg(GROUP)
            .arg(consumer)
            .invoke_async(&mut self.connection())
            .await
    }
}
