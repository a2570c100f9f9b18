//! The takeover of the events of dead consumers.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use futures::future::join_all;
use redis::{
    AsyncCommands, RedisResult,
    streams::{
        StreamClaimOptions, StreamClaimReply, StreamInfoConsumersReply, StreamPendingCountReply,
        StreamPendingId,
    },
};
use tokio::time::Instant;

use super::{
    Consumer, DeadReason, GROUP, Partition, Queue, event::fields_of, heartbeat::Heartbeats,
    or_empty,
};
use crate::{
    failpoint::{self, Failpoint},
    outage,
    redis::Script,
};

const EVERY: Duration = Duration::from_secs(1);
/// An entry that is pending for this process but unknown to it for this long was lost on a broken connection.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// An event that was delivered this often to workers that died becomes a dead letter.
const MOST_DELIVERIES: usize = 3;
/// How long new events wait while quarantined events are delivered alone.
pub(super) const DELIVER_ALONE_FOR: Duration = Duration::from_secs(5);
const SLICE: usize = 100;
/// How many of its own pending entries a consumer compares with its events in flight at a time.
const OWN_SLICE: usize = 1000;
/// The consumer that owns released events. It never has a heartbeat, so all of them are taken over.
const RELEASED: &str = "released";

/// The state of one partition between two rounds. All times are of this process's clock: Redis's may be set back.
#[derive(Debug, Default)]
struct Memory {
    heartbeats: Heartbeats,
    /// Entries that are pending for this process but unknown to it, and since when.
    unknown: HashMap<String, Instant>,
    /// The last of its own entries that was compared.
    compared: Option<String>,
}

impl Consumer {
    /// Takes over the events of dead consumers and those that never reached this one, until it is stopped. Each partition
    /// has its own loop: an unavailable master must not delay events of the others.
    pub async fn take_over(self) {
        let partitions = self.queue.keys.partitions();
        join_all(partitions.map(|partition| self.take_over_in(partition))).await;
    }

    async fn take_over_in(&self, partition: Partition) {
        let mut memory = Memory::default();
        while !self.stop.is_cancelled() {
            let healthy_since = *self.healthy_since(partition).borrow();
            let is_done = match healthy_since {
                None => true,
                Some(since) => {
                    memory.heartbeats.forget_before(since);
                    let swept = self.sweep(partition, &mut memory).await;
                    swept.unwrap_or_else(|error| {
                        outage::report("cannot claim events of dead workers, trying again", &error);
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

    /// Takes over one slice per dead consumer. False if dead consumers have more than a slice.
    async fn sweep(&self, partition: Partition, memory: &mut Memory) -> RedisResult<bool> {
        self.recover_lost(partition, memory).await?;
        self.sweep_others(partition, &mut memory.heartbeats).await
    }

    async fn sweep_others(
        &self,
        partition: Partition,
        heartbeats: &mut Heartbeats,
    ) -> RedisResult<bool> {
        let mut is_done = true;
        let mut redis = self.queue.connection();
        let stream = self.queue.keys.notify(partition);
        let group: StreamInfoConsumersReply =
            or_empty(redis.xinfo_consumers(&stream, GROUP).await)?;
        let beats: HashMap<String, String> =
            redis.hgetall(self.queue.keys.heartbeats(partition)).await?;
        // A consumer that died before its first read has only a heartbeat. One that released its events is only in the group.
        let beating = beats.keys().map(|name| (name.clone(), 0));
        let in_group = group.consumers.into_iter();
        let in_group = in_group.map(|consumer| (consumer.name, consumer.pending));
        let consumers: HashMap<String, usize> = beating.chain(in_group).collect();
        heartbeats.keep(|name| consumers.contains_key(name));
        for (name, pending) in &consumers {
            let beat = beats.get(name);
            if **name == *self.name {
                continue;
            }
            let now = Instant::now();
            let is_dead = heartbeats.is_dead(name, beat, now) || name == RELEASED;
            if !is_dead {
                continue;
            }
            if *pending == 0 {
                let beat = beat.map_or("", String::as_str);
                or_empty(self.queue.remove_consumer(partition, name, beat).await)?;
            } else {
                is_done &= self.take_over_from(partition, name).await?;
            }
        }
        Ok(is_done)
    }

    /// Takes over a slice. False if more can be claimed now.
    async fn take_over_from(&self, partition: Partition, dead: &str) -> RedisResult<bool> {
        if !self.is_ready_for_more(None).await {
            return Ok(true);
        }
        let mut claims = 0;
        let pending = self.queue.pending(partition, dead, "-", SLICE).await?;
        tracing::info!(
            consumer = dead,
            events = pending.len(),
            "taking over the events of a dead worker"
        );
        let is_full = pending.len() == SLICE;
        let (mut claimable, mut quarantined) = (Vec::new(), Vec::new());
        for one in pending {
            if one.times_delivered >= MOST_DELIVERIES && dead != RELEASED {
                claims += self.take_poison(partition, dead, &one).await?;
            } else if one.times_delivered + 1 >= MOST_DELIVERIES {
                quarantined.push(one);
            } else {
                claimable.push(one);
            }
        }
        if !claimable.is_empty() {
            let _shared = self.handing_on.read().await;
            claims += self.take(partition, dead, &claimable).await?;
        }
        claims += self.deliver_alone(partition, dead, quarantined).await?;
        // Without a claim, another worker got them.
        Ok(!is_full || claims == 0)
    }

    /// Claims events with one command and delivers them. Returns how many it got.
    async fn take(
        &self,
        partition: Partition,
        dead: &str,
        pending: &[StreamPendingId],
    ) -> RedisResult<usize> {
        let claimed = self.claim(partition, dead, pending, None).await?;
        failpoint::reach(Failpoint::TakeoverClaimed);
        for entry in &claimed.ids {
            self.deliver(partition, entry).await?;
        }
        Ok(claimed.ids.len())
    }

    /// Claims an event that killed workers and makes it a dead letter.
    async fn take_poison(
        &self,
        partition: Partition,
        dead: &str,
        pending: &StreamPendingId,
    ) -> RedisResult<usize> {
        let one = std::slice::from_ref(pending);
        let claimed = self.claim(partition, dead, one, None).await?;
        failpoint::reach(Failpoint::TakeoverClaimed);
        for entry in &claimed.ids {
            let error = format!(
                "{} workers died while they held it",
                pending.times_delivered
            );
            let fields = fields_of(entry);
            let event = super::Event::from_fields(&fields).ok();
            let reason = DeadReason::Poison;
            self.queue
                .bury(partition, &entry.id, reason, &error, event.as_ref(), fields)
                .await?;
            failpoint::reach(Failpoint::TakeoverBuried);
        }
        Ok(claimed.ids.len())
    }

    /// Delivers quarantined events, which one more death would make poison, each while no other event is in flight here.
    /// If the process dies then, that event caused it, and none is dead-lettered for another's fault.
    async fn deliver_alone(
        &self,
        partition: Partition,
        dead: &str,
        quarantined: Vec<StreamPendingId>,
    ) -> RedisResult<usize> {
        if quarantined.is_empty() {
            return Ok(0);
        }
        let until = Instant::now() + DELIVER_ALONE_FOR;
        let delivered = async {
            let _alone = self.handing_on.write().await;
            let mut claims = 0;
            for one in quarantined {
                self.in_flight.emptied().await;
                if Instant::now() > until {
                    break;
                }
                claims += self.take(partition, dead, &[one]).await?;
            }
            self.in_flight.emptied().await;
            Ok(claims)
        };
        let delivered = self.stop.run_until_cancelled(delivered).await;
        delivered.unwrap_or(Ok(0))
    }

    /// Recovers entries that Redis sent to this process but that never arrived, because a connection broke.
    async fn recover_lost(&self, partition: Partition, memory: &mut Memory) -> RedisResult<()> {
        let after = memory.compared.take();
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let own = self.queue.pending(partition, &self.name, &start, OWN_SLICE);
        let own = own.await?;
        if let [.., last] = &own[..]
            && own.len() == OWN_SLICE
        {
            memory.compared = Some(last.id.clone());
        } else {
            // The round is over. Entries that it did not see are no longer pending.
            let is_recent = |since: &Instant| since.elapsed() < LOST_AFTER + LOST_AFTER;
            memory.unknown.retain(|_, since| is_recent(since));
        }
        for one in own {
            if self.in_flight.contains(partition, &one.id) {
                memory.unknown.remove(&one.id);
                continue;
            }
            let since = memory.unknown.entry(one.id.clone());
            if since.or_insert_with(Instant::now).elapsed() < LOST_AFTER {
                continue;
            }
            memory.unknown.remove(&one.id);
            let _shared = self.handing_on.read().await;
            let deliveries = Some(one.times_delivered);
            let claimed = self
                .claim(partition, &self.name, &[one], deliveries)
                .await?;
            for entry in claimed.ids {
                self.deliver(partition, &entry).await?;
            }
        }
        Ok(())
    }

    /// Claims the entries of `pending` that `holder` still has.
    async fn claim(
        &self,
        partition: Partition,
        holder: &str,
        pending: &[StreamPendingId],
        deliveries: Option<usize>,
    ) -> RedisResult<StreamClaimReply> {
        let script = Script::new(include_str!("lua/claim.lua"));
        let mut call = script.prepare_invoke();
        call.key(self.queue.keys.notify(partition))
            .arg(GROUP)
            .arg(&*self.name)
            .arg(holder)
            .arg(deliveries.map_or_else(String::new, |deliveries| deliveries.to_string()));
        for one in pending {
            call.arg(&one.id);
        }
        call.invoke_async(&mut self.queue.connection()).await
    }

    /// Releases all events that are still pending for this process, and leaves the group. Called at the end of the
    /// process, when no handler runs any more.
    pub async fn release(&self) -> RedisResult<()> {
        self.left.cancel();
        for partition in self.queue.keys.partitions() {
            loop {
                let pending = self
                    .queue
                    .pending(partition, &self.name, "-", SLICE)
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
                    failpoint::reach(Failpoint::ReleaseGivenBack);
                }
            }
            let heartbeats = self.queue.keys.heartbeats(partition);
            let () = self
                .queue
                .connection()
                .hdel(heartbeats, &*self.name)
                .await?;
            failpoint::reach(Failpoint::ReleaseUnsigned);
            or_empty(self.queue.remove_consumer(partition, &self.name, "").await)?;
        }
        Ok(())
    }
}

impl Queue {
    /// Entries that are pending for a consumer, from `start` on.
    async fn pending(
        &self,
        partition: Partition,
        consumer: &str,
        start: &str,
        most: usize,
    ) -> RedisResult<Vec<StreamPendingId>> {
        let stream = self.keys.notify(partition);
        let reply: RedisResult<StreamPendingCountReply> = self
            .connection()
            .xpending_consumer_count(stream, GROUP, start, "+", most, consumer)
            .await;
        Ok(or_empty(reply)?.ids)
    }

    /// Moves pending entries with this delivery count to the `released` consumer, and reduces the count by one.
    async fn give_back(
        &self,
        partition: Partition,
        ids: &[String],
        deliveries: usize,
    ) -> RedisResult<()> {
        let options = StreamClaimOptions::default()
            .retry(deliveries.saturating_sub(1))
            .with_justid();
        let stream = self.keys.notify(partition);
        self.connection()
            .xclaim_options(stream, GROUP, RELEASED, 0, ids, options)
            .await
    }

    /// Removes a consumer, unless its heartbeat changed or it has pending entries.
    async fn remove_consumer(
        &self,
        partition: Partition,
        consumer: &str,
        heartbeat: &str,
    ) -> RedisResult<()> {
        Script::new(include_str!("lua/remove_consumer.lua"))
            .key(self.keys.notify(partition))
            .key(self.keys.heartbeats(partition))
            .arg(GROUP)
            .arg(consumer)
            .arg(heartbeat)
            .invoke_async(&mut self.connection())
            .await
    }
}
