//! Reads events: one reader per partition, and one bounded channel to the worker.

use std::{sync::Arc, time::Duration};

use redis::{
    RedisResult,
    streams::{StreamId, StreamReadOptions, StreamReadReply},
};
use tokio::{
    sync::{RwLock, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    DeadReason, Delivery, Event, GROUP, Partition, Queue,
    event::{Fields, fields_of},
    in_flight::InFlight,
    is_without_group,
    takeover::DELIVER_ALONE_FOR,
};
use crate::{
    backoff::Backoff,
    config, outage,
    watchdog::{Pulse, Watchdog},
};

/// How long a read blocks for new events before it is repeated.
const BLOCK: Duration = Duration::from_secs(2);
const LARGEST_READ: usize = 256;
/// Maximum time to connect, or for one read.
const LONGEST_STEP: Duration = Duration::from_secs(10);

/// One process's part in the consumer group. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Consumer {
    pub(super) queue: Queue,
    pub(super) name: Arc<str>,
    pub(super) in_flight: InFlight,
    /// Shared by tasks that deliver events; [`deliver_alone`](Self::deliver_alone) takes it exclusively.
    pub(super) handing_on: Arc<RwLock<()>>,
    deliveries: mpsc::Sender<Delivery>,
    gate: watch::Receiver<bool>,
    pub(super) stop: CancellationToken,
    /// Watches the readers.
    watchdog: Watchdog,
    /// How long a reader may wait for channel capacity while the worker takes events.
    patience: Duration,
    /// Cancelled when this consumer has left the group.
    pub(super) left: CancellationToken,
    /// The time since which heartbeats reach each partition; none while they fail.
    pub(super) healthy_since: Arc<[watch::Sender<Option<Instant>>]>,
}

impl Consumer {
    /// A consumer with a unique name, for a worker that handles as many events concurrently as `settings` say. It reads
    /// none while `gate` is false, and ends with `stop`.
    pub fn new(
        queue: Queue,
        settings: &config::Queue,
        gate: watch::Receiver<bool>,
        watchdog: Watchdog,
        stop: CancellationToken,
    ) -> (Self, mpsc::Receiver<Delivery>) {
        let concurrency = settings.concurrency;
        // As many again are buffered, so that handlers need not wait for the next read.
        let (deliveries, receiver) = mpsc::channel(concurrency);
        let unique: [u8; 4] = rand::random();
        let name = format!("{}-{}", std::process::id(), hex::encode(unique)).into();
        let healthy_since = queue.keys.partitions().map(|_| watch::Sender::new(None));
        let healthy_since = healthy_since.collect();
        (
            Self {
                queue,
                name,
                in_flight: InFlight::default(),
                handing_on: Arc::default(),
                deliveries,
                gate,
                stop,
                watchdog,
                // The slowest handler, and as much time again until its outcome is in Redis.
                patience: 2 * settings.timeout + LONGEST_STEP,
                left: CancellationToken::new(),
                healthy_since,
            },
            receiver,
        )
    }

    /// Its name in the group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The queue it reads.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Reads one partition until stopped. Continues over failures of Redis.
    pub async fn read(self, partition: Partition) {
        let mut backoff = Backoff::reconnect();
        let pulse = self
            .watchdog
            .part("reader", &self.queue.keys.notify(partition));
        while !self.stop.is_cancelled() {
            pulse.within(LONGEST_STEP);
            let read = self.read_while_connected(partition, &mut backoff, &pulse);
            if let Err(error) = read.await {
                pulse.rest();
                outage::report("cannot read events, connecting again", &error);
                backoff.wait().await;
            }
        }
    }

    async fn read_while_connected(
        &self,
        partition: Partition,
        backoff: &mut Backoff,
        pulse: &Pulse,
    ) -> RedisResult<()> {
        let stream = self.queue.keys.notify(partition);
        let mut connection = self.queue.redis.blocking(&stream, BLOCK).await?;
        while self.is_ready_for_more(Some(pulse)).await {
            pulse.within(DELIVER_ALONE_FOR + 3 * self.patience);
            let _shared = self.handing_on.read().await;
            pulse.within(LONGEST_STEP);
            let most = self.deliveries.capacity().clamp(1, LARGEST_READ);
            let options = StreamReadOptions::default()
                .group(GROUP, &*self.name)
                .count(most)
                .block(usize::try_from(BLOCK.as_millis()).unwrap_or(usize::MAX));
            let read = redis::Cmd::xread_options(&[&stream], &[">"], &options);
            let asked = Instant::now();
            let reply: RedisResult<Option<StreamReadReply>> = tokio::select! {
                reply = read.query_async(&mut connection) => reply,
                // Events that this read still brings stay pending and are released at the end.
                () = self.stop.cancelled() => return Ok(()),
            };
            let reply = match reply {
                Err(error) if is_without_group(&error) => {
                    self.queue.ensure_group(partition).await?;
                    continue;
                }
                other => other?,
            };
            backoff.reset();
            let keys = reply.map(|reply| reply.keys).unwrap_or_default();
            let entries: Vec<StreamId> = keys.into_iter().flat_map(|key| key.ids).collect();
            // Other reads waited for events, so their duration says nothing about Redis.
            if most > 1 && entries.len() == most {
                metrics::histogram!("heyi_queue_read_seconds").record(asked.elapsed());
            }
            pulse.within(self.patience);
            for entry in entries {
                self.deliver(partition, &entry).await?;
                pulse.within(self.patience);
            }
        }
        Ok(())
    }

    /// Waits until the channel has capacity and the worker takes events. False when stopped.
    pub(super) async fn is_ready_for_more(&self, pulse: Option<&Pulse>) -> bool {
        let mut gate = self.gate.clone();
        let ready = async {
            if let Some(pulse) = pulse {
                pulse.rest();
            }
            if gate.wait_for(|open| *open).await.is_err() {
                return false;
            }
            if let Some(pulse) = pulse {
                pulse.within(self.patience);
            }
            self.deliveries.reserve().await.is_ok()
        };
        tokio::select! {
            ready = ready => ready,
            () = self.stop.cancelled() => false,
        }
    }

    /// Delivers an entry to the worker. An entry that is no event becomes a dead letter immediately.
    pub(super) async fn deliver(&self, partition: Partition, entry: &StreamId) -> RedisResult<()> {
        if !self.in_flight.add(partition, &entry.id) {
            return Ok(());
        }
        let fields = fields_of(entry);
        match Event::from_fields(&fields) {
            Ok(event) => {
                let delivery = Delivery {
                    partition,
                    id: entry.id.clone(),
                    event,
                };
                // Not sent when the worker ends; the entry stays pending and is released.
                tokio::select! {
                    _ = self.deliveries.send(delivery) => {}
                    () = self.stop.cancelled() => {}
                }
                Ok(())
            }
            Err(error) => {
                self.bury_unreadable(partition, &entry.id, fields, &error.to_string())
                    .await
            }
        }
    }

    async fn bury_unreadable(
        &self,
        partition: Partition,
        id: &str,
        fields: Fields,
        error: &str,
    ) -> RedisResult<()> {
        tracing::error!(event.id = id, error, "an entry of the queue is no event");
        let buried = self
            .queue
            .bury(partition, id, DeadReason::Poison, error, None, fields)
            .await;
        // Even after a failure: the entry stays pending and is delivered again.
        self.in_flight.remove(partition, id);
        buried
    }
}
