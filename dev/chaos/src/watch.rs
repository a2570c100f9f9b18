//! Records when notifies were acknowledged and orders promoted.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use futures::TryStreamExt as _;
use heyi_sandbox::Sandbox;
use jiff::{SignedDuration, Timestamp};
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
    options::ClientOptions,
};
use tokio::time::sleep;

use crate::order::Orders;

/// The polling interval, which limits the precision of promotion times.
const EVERY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(2);

/// The test's own connection to MongoDB, which no fault affects.
pub async fn database(url: &str, name: &str) -> Result<mongodb::Database> {
    let mut options = ClientOptions::parse(url).await?;
    options.server_selection_timeout = Some(PATIENCE);
    options.connect_timeout = Some(PATIENCE);
    options.heartbeat_freq = Some(Duration::from_millis(500));
    Ok(Client::with_options(options)?.database(name))
}

/// Records events in `orders` while it is polled.
pub async fn watch(sandbox: Sandbox, database: mongodb::Database, orders: Arc<Orders>) {
    let mappings = database.collection::<Document>("mappings");
    let mut seen = 0;
    loop {
        sleep(EVERY).await;
        for notify in sandbox.notifies_after(seen) {
            seen += 1;
            let order = sandbox.order_at_payjs(&notify.payjs_order_id);
            if let Some(order) = order.filter(|_| notify.acknowledged) {
                let took = i64::try_from(notify.duration_ms).unwrap_or(i64::MAX);
                let at = notify.at.saturating_add(SignedDuration::from_millis(took));
                orders.change(&order.out_trade_no, |placed| {
                    placed.acknowledged.get_or_insert(at.unwrap_or(notify.at));
                });
            }
        }
        // MongoDB may be unavailable. The next poll finds the same.
        if let Ok(promoted) = promoted(&mappings, orders.unpromoted()).await {
            let now = Timestamp::now();
            for out_trade_no in promoted {
                orders.change(&out_trade_no, |placed| placed.promoted = Some(now));
            }
        }
    }
}

async fn promoted(mappings: &Collection<Document>, waiting: Vec<String>) -> Result<Vec<String>> {
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let found = mappings
        .find(doc! { "_id": { "$in": waiting } })
        .projection(doc! { "_id": 1 })
        .max_time(PATIENCE)
        .await?;
    let found: Vec<Document> = found.try_collect().await?;
    Ok(found
        .iter()
        .filter_map(|mapping| mapping.get_str("_id").ok().map(str::to_owned))
        .collect())
}
