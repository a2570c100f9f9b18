//! Honest callers: PayJS and mini-programs, each request on a connection of its own.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use heyi_common::config::Config;
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

use crate::http::{
    client::{Client, OK},
    requests,
};

/// After this a request has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// One in so many requests is a `/newOrder`, the others are notifies.
const ORDER_EVERY: u32 = 10;

/// What they saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From the moment a notify was to be sent to the end of its answer, in ms.
    pub(crate) notifies: Vec<f64>,
    /// Likewise.
    pub(crate) orders: Vec<f64>,
    /// Why requests failed.
    pub(crate) failures: Vec<String>,
}

/// Sends `count` requests, from number `first`, `every` so often, whether the ones before were answered or not.
pub(crate) async fn ask(
    api: SocketAddr,
    config: &Config,
    first: u32,
    count: u32,
    every: Duration,
) -> Result<Seen> {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for number in 0..count {
        let is_order = number % ORDER_EVERY == 0;
        let make = if is_order {
            requests::new_order
        } else {
            requests::notify
        };
        let request = make(config, first + number);
        let due = start + every * number;
        running.spawn(async move {
            sleep_until(due.into()).await;
            let asked = timeout(PATIENCE, ask_once(api, &request)).await;
            let outcome = asked.context("no answer").flatten();
            (is_order, outcome.map(|()| due.elapsed()))
        });
    }
    let mut seen = Seen::default();
    while let Some(ended) = running.join_next().await {
        match ended? {
            (_, Err(error)) => seen.failures.push(format!("{error:#}")),
            (true, Ok(took)) => seen.orders.push(took.as_secs_f64() * 1000.0),
            (false, Ok(took)) => seen.notifies.push(took.as_secs_f64() * 1000.0),
        }
    }
    Ok(seen)
}

async fn ask_once(api: SocketAddr, request: &[u8]) -> Result<()> {
    let status = Client::connect(api).await?.ask(request).await?;
    ensure!(status == OK, "answered {status}");
    Ok(())
}
