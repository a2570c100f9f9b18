//! Paid orders and their codes.

use std::{ops::Range, time::Duration};

use anyhow::Result;
use heyi_common::{
    gateway::{Gateway, payjs},
    order::{Fee, Order, OrderData, OutTradeNo},
    store::{Code, Mapping},
};
use heyi_testkit::world::data;
use serde_json::json;

use crate::{frame::Setup, notify};

const FEN: u32 = 990;
/// Long enough for every measurement.
const TTL: Duration = Duration::from_secs(3600);
const BATCH: u32 = 1_000;

/// An order and the signed body of its notify.
#[derive(Clone)]
pub(crate) struct Paid {
    pub(crate) out_trade_no: OutTradeNo,
    pub(crate) form: String,
}

/// The data for a query for a code.
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) openid: String,
    pub(crate) out_trade_no: String,
}

impl Setup {
    /// An order of its own person. Each `number` gives another.
    fn order(&self, number: u32) -> Result<Order> {
        let openid = format!("oBench{number:022}");
        let json = data(&openid, &format!("code {number}")).to_string();
        let data = OrderData::parse(&json, &self.config.orders.payloads)?;
        let out_trade_no = self.queue.keys().draw_number(&data.openid);
        let merchant = payjs::merchant(&self.config.payjs);
        Ok(Order::new(data, Fee::new(FEN)?, out_trade_no, merchant))
    }

    /// The codes of orders with these numbers.
    pub(crate) fn codes(&self, numbers: Range<u32>) -> Result<Vec<Code>> {
        let code = |number| {
            let order = self.order(number)?;
            let payment = notify::payment(number, order.out_trade_no.clone(), order.total_fee);
            Ok(Code::new(&order, &payment))
        };
        numbers.map(code).collect()
    }

    /// The notify of this order, or of one that does not exist. Each `number` gives another.
    pub(crate) fn notify(&self, out_trade_no: Option<OutTradeNo>, number: u32) -> Result<Paid> {
        let made_up = || notify::out_trade_no(number).parse();
        let out_trade_no = out_trade_no.map_or_else(made_up, Ok)?;
        let form = self.form(out_trade_no.as_str(), number);
        Ok(Paid { out_trade_no, form })
    }

    /// The signed body of a notify.
    pub(crate) fn form(&self, out_trade_no: &str, number: u32) -> String {
        let payjs = &self.config.payjs;
        notify::form(&payjs.mchid, &payjs.key, out_trade_no, number)
    }

    /// Makes pending orders.
    pub(crate) async fn pending(&self, numbers: Range<u32>) -> Result<Vec<Paid>> {
        let orders = numbers.clone().map(|number| self.order(number));
        let orders = orders.collect::<Result<Vec<_>>>()?;
        self.pipelined(&orders, |pipeline, order| {
            let key = self.queue.keys().order(&order.out_trade_no);
            pipeline.set_ex(key, json!(order).to_string(), TTL.as_secs());
        })
        .await?;
        let all = orders.into_iter().zip(numbers);
        all.map(|(order, number)| self.notify(Some(order.out_trade_no), number))
            .collect()
    }

    /// Makes pending orders and enqueues a notify of each.
    pub(crate) async fn paid(&self, numbers: Range<u32>) -> Result<()> {
        for numbers in batches(numbers) {
            self.enqueue(self.pending(numbers).await?).await?;
        }
        Ok(())
    }

    /// Enqueues notifies.
    pub(crate) async fn enqueue(&self, notifies: impl IntoIterator<Item = Paid>) -> Result<()> {
        let keys = self.queue.keys();
        self.pipelined(notifies, |pipeline, paid| {
            let stream = keys.notify(keys.partition(&paid.out_trade_no));
            pipeline.xadd(stream, "*", &event(&paid.form));
        })
        .await
    }

    /// Enqueues notifies of orders that do not exist.
    pub(crate) async fn events(&self, count: u32) -> Result<()> {
        let notifies = (0..count).map(|number| self.notify(None, number));
        self.enqueue(notifies.collect::<Result<Vec<_>>>()?).await
    }

    /// Writes codes with these numbers to MongoDB, as if their orders had been promoted.
    pub(crate) async fn add_codes(&self, numbers: Range<u32>) -> Result<Vec<Known>> {
        self.world.store().await?.ensure_indexes().await?;
        let codes = self.collection::<Code>("codes");
        let mappings = self.collection("mappings");
        let mut known = Vec::new();
        for numbers in batches(numbers) {
            let added = self.codes(numbers)?;
            codes.insert_many(&added).await?;
            let added_mappings: Vec<Mapping> = added.iter().map(Code::mapping).collect();
            mappings.insert_many(added_mappings).await?;
            known.extend(added.into_iter().map(|code| Known {
                id: code.id.to_hex(),
                openid: code.openid.to_string(),
                out_trade_no: code.out_trade_no.to_string(),
            }));
        }
        Ok(known)
    }
}

fn batches(numbers: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let Range { start, end } = numbers;
    let batch = move |first: u32| first..end.min(first + BATCH);
    (start..end).step_by(BATCH as usize).map(batch)
}

/// The fields of a new event.
pub(crate) fn event(form: &str) -> [(&str, &str); 4] {
    [
        ("gateway", Gateway::Payjs.name()),
        ("body", form),
        ("attempt", "0"),
        ("received_at", "0"),
    ]
}
