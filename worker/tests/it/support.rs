//! Orders and notifies without the api, written directly into the stores.

use anyhow::Result;
use heyi_common::{
    config::Process,
    form,
    gateway::{Channel, Gateway, Payment, PaymentRef, payjs},
    http,
    order::{Fee, Order, OrderData},
    pending_orders::PendingOrders,
    queue::{
        Asker, Cause, Confirming, Delivery, Event, GROUP, Queue,
        dead::{Letter, Page},
    },
    sign::{self, Params},
    store::{Code, Store},
};
use heyi_testkit::world::{World, data, eventually};
use jiff::{Timestamp, ToSpan};
use redis::streams::{StreamReadOptions, StreamReadReply};
use serde_json::Value;

/// The price of everything.
pub(crate) const FEN: u32 = 990;

pub(crate) struct TestApp {
    pub(crate) world: World,
    pub(crate) queue: Queue,
    pub(crate) orders: PendingOrders,
    pub(crate) store: Store,
    pub(crate) config: heyi_common::config::Config,
}

impl TestApp {
    pub(crate) async fn open(world: World) -> Result<Self> {
        Ok(Self {
            queue: world.queue()?,
            orders: world.orders()?,
            store: world.store().await?,
            config: world.config(Process::Api)?,
            world,
        })
    }

    pub(crate) async fn new() -> Result<Self> {
        Self::open(World::new().await?).await
    }

    /// An order in the cache.
    pub(crate) async fn order(&self, name: &str) -> Result<Order> {
        let order = self.unsaved_order(name);
        self.orders.put(&order, self.config.orders.ttl).await?;
        Ok(order)
    }

    /// An order of somebody whose orders are in another partition than `other`.
    pub(crate) async fn order_elsewhere(&self, other: &Order, name: &str) -> Result<Order> {
        let keys = self.queue.keys();
        let partition = keys.partition(&other.out_trade_no);
        let order = (0..1000)
            .map(|person| self.unsaved_order_of(&format!("oBob{person:024}"), name))
            .find(|order| keys.partition(&order.out_trade_no) != partition)
            .unwrap();
        self.orders.put(&order, self.config.orders.ttl).await?;
        Ok(order)
    }

    /// An order of this person in the cache.
    pub(crate) async fn order_of(&self, openid: &str, name: &str) -> Result<Order> {
        let order = self.unsaved_order_of(openid, name);
        self.save(&order).await?;
        Ok(order)
    }

    /// Stores an order.
    pub(crate) async fn save(&self, order: &Order) -> Result<()> {
        Ok(self.orders.put(order, self.config.orders.ttl).await?)
    }

    /// An order that nobody stored, of a person who has no other, so that orders are in all partitions.
    pub(crate) fn unsaved_order(&self, name: &str) -> Order {
        let openid = format!("oShop{}", mongodb::bson::oid::ObjectId::new());
        self.unsaved_order_of(&openid, name)
    }

    fn unsaved_order_of(&self, openid: &str, name: &str) -> Order {
        let json = data(openid, name).to_string();
        let data = OrderData::parse(&json, &self.config.orders.payloads).unwrap();
        let fee = Fee::new(FEN).unwrap();
        let number = self.queue.keys().draw_number(&data.openid);
        Order::new(data, fee, number, payjs::merchant(&self.config.payjs))
    }

    /// The signed parameters with which a payer opens the order at PayJS.
    pub(crate) fn params(&self, order: &Order) -> Params {
        let client = payjs::Client::new(http::client().unwrap(), &self.config.payjs);
        client.order_params(order, Channel::default()).unwrap()
    }

    /// The fields of the notify that PayJS would send for an order, without a signature.
    pub(crate) fn notify_params(&self, order: &Order, payment: u32) -> Params {
        let time_end = Timestamp::now()
            .checked_add(8.hours())
            .unwrap()
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string();
        [
            ("return_code", "1".to_owned()),
            ("total_fee", order.total_fee.to_string()),
            ("out_trade_no", order.out_trade_no.to_string()),
            ("payjs_order_id", payment_id(payment)),
            (
                "transaction_id",
                format!("42000000002025010100000{payment:05}"),
            ),
            ("time_end", time_end),
            ("openid", "oPAYJS00000000000000000000000".to_owned()),
            ("mchid", self.config.payjs.mchid.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A signed notify as it would arrive.
    pub(crate) fn notify(&self, order: &Order, payment: u32) -> String {
        self.signed(self.notify_params(order, payment))
    }

    pub(crate) fn signed(&self, mut params: Params) -> String {
        let signature = sign::sign(&params, &self.config.payjs.key);
        params.insert("sign".to_owned(), signature);
        form::write(&params)
    }

    pub(crate) async fn enqueue(&self, order: &Order, body: String) -> Result<()> {
        Ok(self
            .queue
            .enqueue_notify(Gateway::Payjs, &order.out_trade_no, body)
            .await?)
    }

    /// Lets a confirm wait for its turn, as the owner of the order asks for it.
    pub(crate) async fn confirm(&self, order: &Order, payjs_order_id: &str) -> Result<Confirming> {
        let asker = Asker::Person(order.openid.clone());
        let payment = named(order, payjs_order_id);
        let queued = self
            .queue
            .enqueue_confirm(&payment, &asker, self.config.orders.ttl);
        Ok(queued.await?)
    }

    /// Writes what the promotion of an order by this payment writes.
    pub(crate) async fn promote(&self, order: &Order, payment: u32) -> Result<()> {
        let code = Code::new(order, &payment_of(order, payment));
        self.store.insert_code(&code).await?;
        self.store.insert_mapping(&code.mapping()).await?;
        self.orders.remove(&order.out_trade_no).await?;
        Ok(())
    }

    /// Makes `count` orders and queues a notify for each.
    pub(crate) async fn paid_orders(&self, count: u32) -> Result<Vec<Order>> {
        let mut orders = Vec::new();
        for number in 0..count {
            let order = self.order(&format!("order {number}")).await?;
            self.enqueue(&order, self.notify(&order, number)).await?;
            orders.push(order);
        }
        Ok(orders)
    }

    /// Reads one event as a consumer would, without a worker.
    pub(crate) async fn take(&self, consumer: &str) -> Result<Delivery> {
        let partition = self.queue.keys().partitions().next().unwrap();
        let stream = self.queue.keys().notify(partition);
        self.queue.ensure_group(partition).await?;
        let read = StreamReadOptions::default().group(GROUP, consumer).count(1);
        let reply: StreamReadReply = redis::Cmd::xread_options(&[&stream], &[">"], &read)
            .query_async(&mut self.queue.redis().shared())
            .await?;
        let entry = &reply.keys[0].ids[0];
        let body: String = entry.get("body").unwrap();
        Ok(Delivery {
            partition,
            id: entry.id.clone(),
            event: Event::new(Cause::Notify {
                gateway: Gateway::Payjs,
                body,
            }),
        })
    }

    /// Queues the notify of a new order, and has Redis send it to a consumer that never gets it.
    pub(crate) async fn enqueue_for(&self, consumer: &str, name: &str) -> Result<Order> {
        let order = self.unsaved_order(name);
        let keys = self.queue.keys();
        let partition = keys.partition(&order.out_trade_no);
        let stream = keys.notify(partition);
        self.save(&order).await?;
        let form = self.notify(&order, 2);
        let event = [
            "gateway",
            "payjs",
            "body",
            &form,
            "attempt",
            "0",
            "received_at",
            "0",
        ];
        // In one transaction, so that the consumer's own read does not come in between.
        let mut redis = self.queue.redis().shared();
        redis::pipe()
            .atomic()
            .cmd("XADD")
            .arg(&stream)
            .arg("*")
            .arg(&event)
            .cmd("XREADGROUP")
            .arg("GROUP")
            .arg(GROUP)
            .arg(consumer)
            .arg(&["COUNT", "1", "STREAMS", &stream, ">"])
            .exec_async(&mut redis)
            .await?;
        Ok(order)
    }

    /// Waits until workers hold so many events.
    pub(crate) async fn holds(&self, events: u64) -> Result<()> {
        eventually("a worker that holds them", async || {
            let pending = self.queue.status().await?.pending;
            Ok(pending.values().sum::<u64>() == events)
        })
        .await
    }

    /// Waits until an event is parked.
    pub(crate) async fn is_parked(&self) -> Result<()> {
        eventually("a parked event", async || {
            Ok(self.queue.status().await?.retries > 0)
        })
        .await
    }

    /// Lets an event wait for its next attempt, which is due.
    pub(crate) async fn park(&self, order: &Order, mut event: Value) -> Result<()> {
        event["id"] = "1-0".into();
        event["received_at"] = "0".into();
        Ok(
            redis::Cmd::zadd(self.retry_key(order), event.to_string(), 1)
                .exec_async(&mut self.queue.redis().shared())
                .await?,
        )
    }

    /// The events beside that of an order that wait for their next attempt.
    pub(crate) async fn parked(&self, order: &Order) -> Result<Vec<Value>> {
        let parked: Vec<String> = redis::Cmd::zrange(self.retry_key(order), 0, -1)
            .query_async(&mut self.queue.redis().shared())
            .await?;
        let events = parked.iter().map(|event| serde_json::from_str(event));
        Ok(events.collect::<Result<_, _>>()?)
    }

    /// Makes them due.
    pub(crate) async fn release(&self, order: &Order) -> Result<()> {
        for event in self.parked(order).await? {
            redis::cmd("ZADD")
                .arg(self.retry_key(order))
                .arg("XX")
                .arg(1)
                .arg(event.to_string())
                .exec_async(&mut self.queue.redis().shared())
                .await?;
        }
        Ok(())
    }

    fn retry_key(&self, order: &Order) -> String {
        let keys = self.queue.keys();
        keys.retry(keys.partition(&order.out_trade_no))
    }

    /// Waits until nothing waits in the stream, for a retry or for its turn.
    pub(crate) async fn quiet(&self) -> Result<()> {
        let mut left = None;
        while left != Some(0) {
            let before = left;
            eventually("fewer events in the queue", async || {
                let status = self.queue.status().await?;
                left = Some(status.waiting + status.retries + status.confirms);
                Ok(left == Some(0) || before.is_none_or(|before| left < Some(before)))
            })
            .await?;
        }
        Ok(())
    }

    /// The code of an order, which must have exactly one, with its mapping, and no cache any more.
    pub(crate) async fn the_code(&self, order: &Order) -> Result<Code> {
        let code = self
            .store
            .code(order.code_id)
            .await?
            .expect("the order has no code");
        let mapping = self
            .store
            .mapping(&order.out_trade_no)
            .await?
            .expect("the order has no mapping");
        assert_eq!(mapping.code_id, code.id);
        assert_eq!(mapping.payment_id, code.payment_id);
        assert_eq!(code.content, order.content);
        assert_eq!(
            (&code.out_trade_no, code.total_fee),
            (&order.out_trade_no, order.total_fee)
        );
        assert_eq!(
            self.orders.get(&order.out_trade_no).await?,
            None,
            "the order is still cached"
        );
        Ok(code)
    }

    /// Waits for the only dead letter.
    pub(crate) async fn the_dead_letter(&self) -> Result<Letter> {
        eventually("a dead letter", async || {
            Ok(self.queue.status().await?.dead > 0)
        })
        .await?;
        let letters = self.queue.dead_letters(Page::newest(10)).await?;
        assert_eq!(letters.len(), 1, "{letters:?}");
        Ok(letters.into_iter().next().unwrap())
    }

    /// Ends the world; the queue must be empty.
    pub(crate) async fn close(self) -> Result<()> {
        self.world.finish().await
    }
}

/// A payment that the payer of an order names.
pub(crate) fn named(order: &Order, payjs_order_id: &str) -> PaymentRef {
    PaymentRef {
        gateway: Gateway::Payjs,
        out_trade_no: order.out_trade_no.clone(),
        payment_id: payjs_order_id.to_owned(),
    }
}

/// The payment of an order. Each `number` makes another.
pub(crate) fn payment_of(order: &Order, number: u32) -> Payment {
    Payment {
        gateway: Gateway::Payjs,
        payment_id: payment_id(number),
        transaction_id: format!("42000000002025010100000{number:05}"),
        out_trade_no: order.out_trade_no.clone(),
        total_fee: order.total_fee,
        paid_at: "2025-01-01 12:34:56".to_owned(),
    }
}

/// PayJS's number of a payment.
pub(crate) fn payment_id(payment: u32) -> String {
    format!("20250101123456{payment:011}")
}
