//! Orders that were paid.

use std::{ops::Range, time::Duration};

use anyhow::{Context as _, Result};
use heyi_common::{
    config::{Config, Process},
    gateway::payjs,
    order::{Fee, Order, OrderData},
    queue::Queue,
    store::Code,
};
use heyi_testkit::world::{World, data};
use redis::Pipeline;

use crate::notify::{notify_of, payment};

const FEN: u32 = 990;
/// Long enough for every measurement.
const TTL: Duration = Duration::from_secs(3600);
const PIPELINE: usize = 500;

/// An order that waits for its notify.
pub(crate) struct Paid {
    pub(crate) out_trade_no: String,
    /// The signed body of the notify.
    pub(crate) form: String,
}

/// Makes orders.
pub(crate) struct Orders {
    config: Config,
    queue: Queue,
    fee: Fee,
}

impl Orders {
    pub(crate) fn new(world: &World) -> Result<Self> {
        Ok(Self {
            config: world.config(Process::Api)?,
            queue: world.queue()?,
            fee: Fee::new(FEN)?,
        })
    }

    /// An order of somebody who has no other. Each `number` makes another.
    pub(crate) fn order(&self, number: u32) -> Result<Order> {
        let openid = format!("oBench{number:022}");
        let json = data(&openid, &format!("code {number}")).to_string();
        let data = OrderData::parse(&json, &self.config.orders.payloads)?;
        let payjs = &self.config.payjs;
        let notify_url = payjs.notify_url.as_ref().context("no notify_url")?;
        let out_trade_no = self.queue.keys().draw_number(&data.openid);
        let channel = payjs::Channel::default();
        let params = payjs::order_params(payjs, channel, notify_url, &out_trade_no, self.fee);
        Ok(Order::new(data, self.fee, out_trade_no, params))
    }

    /// The code that it becomes.
    pub(crate) fn code(&self, number: u32) -> Result<Code> {
        let order = self.order(number)?;
        let payment = payment(number, order.out_trade_no.clone(), order.total_fee);
        Ok(Code::new(&order, &payment))
    }

    /// Puts orders into the cache and a notify of each into the queue.
    pub(crate) async fn pay(&self, numbers: Range<u32>) -> Result<()> {
        let keys = self.queue.keys();
        self.add(numbers, |order, form, pipeline| {
            let stream = keys.notify(keys.partition(&order.out_trade_no));
            let event = [
                ("form", form.as_str()),
                ("attempt", "0"),
                ("received_at", "0"),
            ];
            pipeline.xadd(stream, "*", &event).ignore();
        })
        .await
    }

    /// Puts orders into the cache.
    pub(crate) async fn cache(&self, numbers: Range<u32>) -> Result<Vec<Paid>> {
        let mut all = Vec::new();
        self.add(numbers, |order, form, _| {
            all.push(Paid {
                out_trade_no: order.out_trade_no.to_string(),
                form,
            });
        })
        .await?;
        Ok(all)
    }

    /// Puts orders into the cache, and whatever else `one` adds for an order and its notify.
    async fn add(
        &self,
        numbers: Range<u32>,
        mut one: impl FnMut(&Order, String, &mut Pipeline),
    ) -> Result<()> {
        let keys = self.queue.keys();
        let numbers: Vec<u32> = numbers.collect();
        for numbers in numbers.chunks(PIPELINE) {
            let mut pipeline = redis::pipe();
            for number in numbers {
                let order = self.order(*number)?;
                let out_trade_no = order.out_trade_no.as_str();
                let form = notify_of(&self.config.payjs, out_trade_no, *number);
                let json = serde_json::to_string(&order)?;
                let key = keys.order(&order.out_trade_no);
                pipeline.set_ex(key, json, TTL.as_secs()).ignore();
                one(&order, form, &mut pipeline);
            }
            pipeline
                .exec_async(&mut self.queue.redis().shared())
                .await?;
        }
        Ok(())
    }
}
