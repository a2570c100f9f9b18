//! A backlog in no time: events straight into Redis, all about one order that has its code.

use anyhow::{Context as _, Result, ensure};
use heyi_common::{
    config::Process,
    gateway::{Gateway, payjs},
    queue::{GROUP, Partition, Queue},
    store::Mapping,
};
use heyi_testkit::world::World;
use mongodb::bson::{DateTime, oid::ObjectId};
use redis::Pipeline;
use serde_json::json;

use crate::notify::notify;

const PIPELINE: u32 = 1000;
/// The number of the order's notify.
pub(super) const REPEATED: u32 = 0;

/// Puts events into one queue.
pub(super) struct Fill {
    pub(super) queue: Queue,
    partition: Partition,
    form: String,
}

impl Fill {
    /// Makes the mapping of the order, so that a worker finds each event to be a repeat.
    pub(super) async fn new(world: &World) -> Result<Self> {
        let queue = world.queue()?;
        let (out_trade_no, form) = notify(&world.config(Process::Worker)?.payjs, REPEATED);
        let out_trade_no = out_trade_no.parse()?;
        let partition = queue.keys().partition(&out_trade_no);
        let mapping = Mapping {
            out_trade_no,
            code_id: ObjectId::new(),
            gateway: Gateway::Payjs,
            payment_id: payjs::payment_in(&form)
                .context("no payment in the notify")?
                .payment_id,
            created_at: DateTime::now(),
        };
        let before = world.store().await?.insert_mapping(&mapping).await?;
        ensure!(before.is_none(), "the order was mapped before");
        Ok(Self {
            queue,
            partition,
            form,
        })
    }

    /// Events that wait.
    pub(super) async fn stream(&self, count: u32) -> Result<()> {
        let stream = self.queue.keys().notify(self.partition);
        self.add(count, |pipeline, _| {
            pipeline.xadd(&stream, "*", &self.fields()).ignore();
        })
        .await
    }

    /// Events that a worker held which died.
    pub(super) async fn held(&self, count: u32) -> Result<()> {
        self.stream(count).await?;
        self.queue.ensure_group(self.partition).await?;
        let read = redis::cmd("XREADGROUP")
            .arg(&["GROUP", GROUP, "dead", "COUNT"])
            .arg(PIPELINE)
            .arg("STREAMS")
            .arg(self.queue.keys().notify(self.partition))
            .arg(">")
            .clone();
        for _ in 0..count.div_ceil(PIPELINE) {
            read.exec_async(&mut self.queue.redis().shared()).await?;
        }
        Ok(())
    }

    /// Parked events whose time has come.
    pub(super) async fn due(&self, count: u32) -> Result<()> {
        let retry = self.queue.keys().retry(self.partition);
        self.add(count, |pipeline, number| {
            let event = json!({
                "id": number.to_string(), "form": self.form, "attempt": "3", "received_at": "0",
            });
            pipeline.zadd(&retry, event.to_string(), 1).ignore();
        })
        .await
    }

    /// Dead letters.
    pub(super) async fn dead(&self, count: u32) -> Result<()> {
        let dead = self.queue.keys().dead(self.partition);
        self.add(count, |pipeline, _| {
            let mut fields = self.fields().to_vec();
            fields.extend([("reason", "paid_twice"), ("error", "a second payment")]);
            pipeline.xadd(&dead, "*", &fields).ignore();
        })
        .await
    }

    /// Takes the dead letters away.
    pub(super) async fn bury_no_more(&self) -> Result<()> {
        Ok(redis::cmd("DEL")
            .arg(self.queue.keys().dead(self.partition))
            .exec_async(&mut self.queue.redis().shared())
            .await?)
    }

    fn fields(&self) -> [(&str, &str); 3] {
        [("form", &self.form), ("attempt", "0"), ("received_at", "0")]
    }

    async fn add(&self, count: u32, mut one: impl FnMut(&mut Pipeline, u32)) -> Result<()> {
        let mut number = 0;
        while number < count {
            let end = count.min(number + PIPELINE);
            let mut pipeline = redis::pipe();
            (number..end).for_each(|number| one(&mut pipeline, number));
            pipeline
                .exec_async(&mut self.queue.redis().shared())
                .await?;
            number = end;
        }
        Ok(())
    }
}
