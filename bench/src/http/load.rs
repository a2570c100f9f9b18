//! The load: clients that send a request, wait for the answer, and send the next.
//!
//! They speak just enough HTTP to keep the connection, so that most of the machine is left to the server.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// Clients that ask at the same time.
pub(super) const CONNECTIONS: usize = 32;
const LIMIT: Duration = Duration::from_secs(60);
const HEAD_END: &[u8] = b"\r\n\r\n";

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
        running.spawn(client.send_all(Arc::clone(requests), Arc::clone(&next)));
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

/// One connection.
struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    async fn connect(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    async fn send_all(mut self, requests: Requests, next: Arc<AtomicUsize>) -> Result<()> {
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            self.stream.write_all(request).await?;
            self.answer().await?;
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<()> {
        self.received.clear();
        let mut whole = usize::MAX;
        while self.received.len() < whole {
            let more = self.stream.read_buf(&mut self.received).await?;
            ensure!(more > 0, "the server closed a connection");
            if whole == usize::MAX
                && let Some(length) = length(&self.received)?
            {
                whole = length;
            }
        }
        Ok(())
    }
}

/// The length of the whole answer, once its head is there.
fn length(received: &[u8]) -> Result<Option<usize>> {
    let Some(end) = received
        .windows(HEAD_END.len())
        .position(|window| window == HEAD_END)
    else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&received[..end])?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "not 200: {head}");
    let body = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match body {
        Some((_, length)) => Ok(Some(end + HEAD_END.len() + length.trim().parse::<usize>()?)),
        None => bail!("no content-length: {head}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_known_with_the_head() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
        assert_eq!(length(&head[..20]).unwrap(), None);
        assert_eq!(length(head).unwrap(), Some(head.len() + 7));
    }

    #[test]
    fn anything_but_200_is_an_error() {
        assert!(length(b"HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\n").is_err());
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
