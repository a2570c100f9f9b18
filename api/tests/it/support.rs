//! An api in its own world.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use heyi_common::{
    config::Process,
    gateway::{Gateway, Payment, payjs},
    order::{Fee, Order, OrderData},
    redis::Shared,
    sign::Params,
    store::{Code, Store},
};
use heyi_testkit::world::{Answer, Client, Person, Service, World, data, eventually};
use redis::{AsyncCommands, streams::StreamRangeReply};
use serde_json::{Value, json};

/// An api, and what it stands on.
pub(crate) struct TestApp {
    pub(crate) world: World,
    pub(crate) client: Client,
    pub(crate) api: Service,
    pub(crate) store: Store,
}

impl TestApp {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts an api with some settings changed, e.g. `("HTTP__RATE_LIMIT", "1")`.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Result<Self> {
        let mut world = World::new().await?;
        for (name, value) in settings {
            world.set(&format!("HEYI_{name}"), *value);
        }
        Self::start_in(world).await
    }

    pub(crate) async fn start_in(world: World) -> Result<Self> {
        Ok(Self {
            client: world.client()?,
            api: world.api().await?,
            store: world.store().await?,
            world,
        })
    }

    /// Fails when an event is left over; nothing stays in the stores.
    pub(crate) async fn finish(self) -> Result<()> {
        assert!(!self.api.log().contains("panicked"), "{}", self.api.log());
        self.api.stop().await?;
        self.world.finish().await
    }

    /// A connection to this world's Redis.
    pub(crate) fn redis(&self) -> Result<Shared> {
        Ok(self.world.queue()?.redis().shared())
    }

    /// Writes a code with all platforms straight into the database, as a promotion would.
    pub(crate) async fn code(&self, person: &Person, name: &str) -> Result<Code> {
        self.code_of(data(&person.openid, name)).await
    }

    /// Writes a code of any `data` straight into the database.
    pub(crate) async fn code_of(&self, data: Value) -> Result<Code> {
        let data = OrderData {
            openid: serde_json::from_value(data["openId"].clone())?,
            content: serde_json::from_value(data)?,
        };
        let number = self.world.queue()?.keys().draw_number(&data.openid);
        let config = self.world.config(Process::Api)?;
        let order = Order::new(data, Fee::new(990)?, number, payjs::merchant(&config.payjs));
        let code = Code::new(&order, &payment(&order));
        self.store.insert_code(&code).await?;
        self.store.insert_mapping(&code.mapping()).await?;
        Ok(code)
    }

    /// Takes all events out of the queue.
    pub(crate) async fn take_events(&self) -> Result<Vec<BTreeMap<String, String>>> {
        let queue = self.world.queue()?;
        let mut events = Vec::new();
        for partition in queue.keys().partitions() {
            let stream = queue.keys().notify(partition);
            let entries: StreamRangeReply = self.redis()?.xrange_all(&stream).await?;
            for entry in entries.ids {
                let fields = entry.map.keys().map(|name| {
                    let value: Option<String> = entry.get(name);
                    (name.clone(), value.unwrap_or_default())
                });
                events.push(fields.collect());
            }
            let () = self.redis()?.del(stream).await?;
        }
        Ok(events)
    }

    /// Takes the confirms that wait for their turn.
    pub(crate) async fn take_confirms(&self) -> Result<Vec<BTreeMap<String, String>>> {
        let queue = self.world.queue()?;
        let mut confirms = Vec::new();
        for partition in queue.keys().partitions() {
            let key = queue.keys().confirms(partition);
            let members: Vec<String> = self.redis()?.zrange(&key, 0, -1).await?;
            let events = members.iter().map(|member| serde_json::from_str(member));
            confirms.extend(events.collect::<Result<Vec<_>, _>>()?);
            let () = self.redis()?.del(key).await?;
        }
        Ok(confirms)
    }

    /// The same parameters in every way in which a route takes them.
    pub(crate) async fn in_every_way(&self, path: &str, params: &Params) -> Result<Vec<Answer>> {
        Ok(vec![
            self.client.get(path, params).await?,
            self.client.post_form(path, params).await?,
            self.client.post_json(path, &json!(params)).await?,
        ])
    }

    /// Waits until the api says that it is gone, after somebody else took it away. Says how.
    pub(crate) async fn gone(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let mut last = None;
        eventually(&format!("{path} is gone"), async || {
            let answer = self.get_with(path, headers).await?;
            Ok(last.insert(answer).status == 410)
        })
        .await?;
        last.context("nothing was asked")
    }

    /// GET with headers.
    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let mut request = self.client.request(reqwest::Method::GET, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.client.send(request).await
    }

    /// GET from the monitoring address.
    pub(crate) async fn monitor(&self, path: &str) -> Result<Answer> {
        let client = self.client.at(&self.api.monitor_url());
        client
            .send(client.request(reqwest::Method::GET, path))
            .await
    }

    /// POST of a body of any type.
    pub(crate) async fn post(
        &self,
        path: &str,
        kind: &str,
        body: impl Into<Vec<u8>>,
    ) -> Result<Answer> {
        let mut request = self.client.request(reqwest::Method::POST, path);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        self.client.send(request.body(body.into())).await
    }
}

/// The payment of an order.
pub(crate) fn payment(order: &Order) -> Payment {
    Payment {
        gateway: Gateway::Payjs,
        payment_id: "2025010112345600512345678".to_owned(),
        transaction_id: "4200000000202501010000000001".to_owned(),
        out_trade_no: order.out_trade_no.clone(),
        total_fee: order.total_fee,
        paid_at: "2025-01-01 12:35:10".to_owned(),
    }
}

/// Asserts a failure in the API's own format.
#[track_caller]
pub(crate) fn assert_fails(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.json()["errcode"], status, "{}", answer.body);
    assert!(
        answer.text("errmsg").contains(words),
        "{words:?} is not in {}",
        answer.body
    );
}

/// A header of an answer; empty when there is none.
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
