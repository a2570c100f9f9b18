//! Writes events directly into Redis, all of one order that has its code.

use std::iter::repeat_n;

use anyhow::{Context as _, Result, ensure};
use heyi_common::{
    gateway::Gateway,
    queue::{GROUP, Partition},
    store::Mapping,
};
use mongodb::bson::{DateTime, oid::ObjectId};
use redis::{Cmd, streams::StreamReadOptions};
use serde_json::json;

use crate::{
    frame::Setup,
    orders::{Paid, event},
};

/// Fills the queue.
pub(super) struct Fill<'s> {
    pub(super) setup: &'s Setup,
    pub(super) paid: Paid,
    partition: Partition,
}

impl<'s> Fill<'s> {
    /// Writes the mapping of the order, so that each event is a duplicate.
    pub(super) async fn new(setup: &'s Setup) -> Result<Self> {
        let paid = setup.notify(None, 0)?;
        let reported = Gateway::Payjs.peek(&paid.form);
        let payment_id = reported.and_then(|reported| reported.payment_id);
        let mapping = Mapping {
            out_trade_no: paid.out_trade_no.clone(),
            code_id: ObjectId::new(),
            gateway: Gateway::Payjs,
            payment_id: payment_id.context("no payment in the notify")?,
            created_at: DateTime::now(),
        };
        let before = setup.world.store().await?.insert_mapping(&mapping).await?;
        ensure!(before.is_none(), "the order was mapped before");
        let partition = setup.queue.keys().partition(&paid.out_trade_no);
        Ok(Self {
            setup,
            paid,
            partition,
        })
    }

    /// Adds waiting events.
    pub(super) async fn stream(&self, count: u32) -> Result<()> {
        let events = repeat_n(self.paid.clone(), count as usize);
        self.setup.enqueue(events).await
    }

    /// Adds events of a dead worker.
    pub(super) async fn in_flight(&self, count: u32) -> Result<()> {
        self.stream(count).await?;
        let queue = &self.setup.queue;
        queue.ensure_group(self.partition).await?;
        let options = StreamReadOptions::default().group(GROUP, "dead");
        let options = options.count(count as usize);
        let stream = queue.keys().notify(self.partition);
        let read = Cmd::xread_options(&[stream], &[">"], &options);
        let _: redis::Value = self.setup.redis(&read).await?;
        Ok(())
    }

    /// Adds parked events that are due.
    pub(super) async fn due(&self, count: u32) -> Result<()> {
        let retry = self.setup.queue.keys().retry(self.partition);
        let form = &self.paid.form;
        let add = self.setup.pipelined(0..count, |pipeline, number| {
            let id = number.to_string();
            let event = json!({
                "id": id, "gateway": "payjs", "body": form, "attempt": "3", "received_at": "0",
            });
            pipeline.zadd(&retry, event.to_string(), 1);
        });
        add.await
    }

    /// Adds dead letters.
    pub(super) async fn dead(&self, count: u32) -> Result<()> {
        let dead = self.setup.queue.keys().dead(self.partition);
        let mut fields = event(&self.paid.form).to_vec();
        fields.extend([("reason", "paid_twice"), ("error", "a second payment")]);
        let add = self.setup.pipelined(0..count, |pipeline, _| {
            pipeline.xadd(&dead, "*", &fields);
        });
        add.await
    }

    /// Deletes the dead letters.
    pub(super) async fn delete_dead(&self) -> Result<()> {
        let dead = self.setup.queue.keys().dead(self.partition);
        self.setup.redis(&Cmd::del(dead)).await
    }
}
