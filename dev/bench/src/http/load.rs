//! The load: clients that send a request, wait for the answer, and send the next.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

use super::client::{Client, OK};

/// Clients that ask at the same time.
pub(super) const CONNECTIONS: usize = 32;
const LIMIT: Duration = Duration::from_secs(60);

/// Whole requests, head and body.
pub(crate) type Requests = Arc<Vec<Vec<u8>>>;

/// Sends every request once. Answers a second, all of which must be 200.
pub(crate) async fn rate(server: SocketAddr, requests: &Requests) -> Result<f64> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(server).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(send_all(client, Arc::clone(requests), Arc::clone(&next)));
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
    let count = u32::try_from(requests.len())?;
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// Sends the requests at `rate` a second, whatever the answers do. How long each took, in ms, from the moment at which
/// it was to be sent: who waits for a slow answer before it waits too.
pub(crate) async fn at_rate(
    server: SocketAddr,
    requests: &Requests,
    rate: f64,
) -> Result<Vec<f64>> {
    let mut running = JoinSet::new();
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(server).await?);
    }
    let start = Instant::now();
    for (first, client) in clients.into_iter().enumerate() {
        let requests = Arc::clone(requests);
        let due = move |index: usize| {
            let index = u32::try_from(index).map_or(f64::NAN, f64::from);
            start + Duration::from_secs_f64(index / rate)
        };
        running.spawn(send_when_due(client, requests, first, due));
    }
    let mut times = Vec::with_capacity(requests.len());
    let all = async {
        while let Some(ended) = running.join_next().await {
            times.extend(ended.context("a client panicked")??);
        }
        anyhow::Ok(())
    };
    timeout(LIMIT, all)
        .await
        .context("the load takes too long")??;
    Ok(times)
}

async fn send_when_due(
    mut client: Client,
    requests: Requests,
    first: usize,
    due: impl Fn(usize) -> Instant,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for index in (first..requests.len()).step_by(CONNECTIONS) {
        let due = due(index);
        sleep_until(due.into()).await;
        let status = client.ask(&requests[index]).await?;
        ensure!(status == OK, "answered {status}");
        times.push(due.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}

async fn send_all(mut client: Client, requests: Requests, next: Arc<AtomicUsize>) -> Result<()> {
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let status = client.ask(request).await?;
        ensure!(status == OK, "answered {status}");
    }
    Ok(())
}
