//! Load generators: a closed loop, and an open loop at a fixed rate.

mod client;
pub(crate) mod requests;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

pub(crate) use self::client::{Client, Connections, OK, succeeded};
use crate::frame::{ms, per_second};

/// Clients that send at the same time.
pub(crate) const CONNECTIONS: usize = 32;
const LIMIT: Duration = Duration::from_secs(60);

/// Whole requests, head and body.
pub(crate) type Requests = Arc<Vec<Vec<u8>>>;

/// Closed loop: each client sends a request, waits for the answer, and sends the next. Returns answers a second. All must
/// be 200.
pub(crate) async fn rate(server: SocketAddr, requests: &Requests) -> Result<f64> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(server).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut running = JoinSet::new();
    for mut client in clients {
        let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
        running.spawn(async move {
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                succeeded(client.ask(request).await?)?;
            }
            anyhow::Ok(())
        });
    }
    let all = async {
        while let Some(ended) = running.join_next().await {
            ended.context("a client panicked")??;
        }
        anyhow::Ok(())
    };
    timeout(LIMIT, all)
        .await
        .context("the load takes too long")??;
    Ok(per_second(u32::try_from(requests.len())?, start))
}

/// Open loop: does `work` for each item at `rate` a second, with at most `at_once` at the same time. Returns each result
/// with its time in ms, counted from when it was due: waiting for a slow one counts too.
pub(crate) async fn at_rate<T, O, F>(
    all: impl IntoIterator<Item = T>,
    rate: f64,
    at_once: usize,
    work: impl Fn(T) -> F,
) -> Result<Vec<(O, f64)>>
where
    F: Future<Output = Result<O>>,
{
    let start = Instant::now();
    let work = &work;
    let all = (0_u32..).zip(all).map(|(index, one)| async move {
        let due = start + Duration::from_secs_f64(f64::from(index) / rate);
        sleep_until(due.into()).await;
        anyhow::Ok((work(one).await?, ms(due)))
    });
    let all = stream::iter(all).buffer_unordered(at_once).try_collect();
    timeout(LIMIT, all)
        .await
        .context("the load takes too long")?
}
