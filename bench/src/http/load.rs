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
use tokio::{task::JoinSet, time::timeout};

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

async fn send_all(mut client: Client, requests: Requests, next: Arc<AtomicUsize>) -> Result<()> {
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let status = client.ask(request).await?;
        ensure!(status == OK, "answered {status}");
    }
    Ok(())
}
