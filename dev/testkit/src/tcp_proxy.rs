//! A small TCP proxy whose connections can be damaged.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::servers::process::free_port;

const CHUNK: usize = 16 * 1024;
const SECOND: Duration = Duration::from_secs(1);

/// A fault of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Every connection is reset, and new ones are too.
    Cut,
    /// Data is delayed by this much.
    Delayed(Duration),
    /// Data is lost, and neither side notices. New connections are accepted and never answered. Existing connections stay
    /// dead after the fault.
    HalfOpen,
    /// Bytes per second, for each connection and direction.
    Slow(u32),
}

/// A proxy that forwards each connection to the next of its servers, in turn. It ends with this handle.
pub struct TcpProxy {
    port: u16,
    legs: Arc<[Leg]>,
    _running: DropGuard,
}

/// The path to one server.
struct Leg {
    server: SocketAddr,
    damage: watch::Sender<Option<Damage>>,
}

impl TcpProxy {
    /// Starts a proxy to servers on these ports. A connection goes to the next one that accepts it, as with a load
    /// balancer.
    pub async fn start(servers: &[u16]) -> Result<Self> {
        let port = free_port()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .context("a link cannot listen")?;
        let legs: Arc<[Leg]> = servers
            .iter()
            .map(|port| Leg {
                server: (Ipv4Addr::LOCALHOST, *port).into(),
                damage: watch::Sender::new(None),
            })
            .collect();
        let stop = CancellationToken::new();
        let serving = serve(listener, Arc::clone(&legs));
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(serving).await });
        Ok(Self {
            port,
            legs,
            _running: stop.drop_guard(),
        })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets or clears the fault on the path to the server of this index.
    pub fn damage(&self, leg: usize, damage: Option<Damage>) {
        if let Some(leg) = self.legs.get(leg) {
            leg.damage.send_replace(damage);
        }
    }
}

async fn serve(listener: TcpListener, legs: Arc<[Leg]>) {
    let turn = AtomicUsize::new(0);
    loop {
        // Out of file handles, most likely; the connection waits.
        let Ok((client, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let first = turn.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(take(client, Arc::clone(&legs), first));
    }
}

async fn take(client: TcpStream, legs: Arc<[Leg]>, first: usize) {
    for place in 0..legs.len() {
        let leg = &legs[(first + place) % legs.len()];
        let damage = leg.damage.subscribe();
        let now = *damage.borrow();
        match now {
            Some(Damage::Cut) => {}
            // Nothing reaches the server, not even the connection.
            Some(Damage::HalfOpen) => return swallow(client, damage).await,
            _ => {
                if let Ok(server) = TcpStream::connect(leg.server).await {
                    return connect(client, server, damage).await;
                }
            }
        }
    }
    reset(&client);
}

async fn connect(
    mut client: TcpStream,
    mut server: TcpStream,
    damage: watch::Receiver<Option<Damage>>,
) {
    // The proxy itself must not add latency.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let dead = AtomicBool::new(false);
    let mut cut = damage.clone();
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(
                pump(from_client, to_server, &damage, &dead, true),
                pump(from_server, to_client, &damage, &dead, false),
                die(damage.clone(), &dead),
            )
        };
        tokio::select! {
            _ = both => return,
            _ = cut.wait_for(|damage| *damage == Some(Damage::Cut)) => {}
        }
    }
    reset(&client);
    reset(&server);
}

/// Marks a connection as dead when its path becomes half-open, even if no data is sent at that time.
async fn die(mut damage: watch::Receiver<Option<Damage>>, dead: &AtomicBool) -> io::Result<()> {
    let half_open = damage.wait_for(|damage| *damage == Some(Damage::HalfOpen));
    dead.store(half_open.await.is_ok(), Ordering::Relaxed);
    std::future::pending().await
}

/// Copies bytes in one direction until the connection ends. After lost bytes all others are lost too, and the client
/// does not notice the server's end.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    damage: &watch::Receiver<Option<Damage>>,
    dead: &AtomicBool,
    is_of_client: bool,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let most = match *damage.borrow() {
            Some(Damage::Slow(bytes)) => (bytes as usize / 10).clamp(1, CHUNK),
            _ => CHUNK,
        };
        let length = from.read(&mut chunk[..most]).await?;
        let now = *damage.borrow();
        let is_dead = now == Some(Damage::HalfOpen) || dead.load(Ordering::Relaxed);
        if length == 0 && is_dead && !is_of_client {
            return std::future::pending().await;
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if is_dead {
            continue;
        }
        match now {
            Some(Damage::Delayed(by)) => sleep(by).await,
            Some(Damage::Slow(bytes)) => sleep(SECOND * most_u32(length) / bytes.max(1)).await,
            _ => {}
        }
        to.write_all(&chunk[..length]).await?;
    }
}

fn most_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Discards what a client sends, until the client closes or the connection is cut.
async fn swallow(mut client: TcpStream, mut damage: watch::Receiver<Option<Damage>>) {
    let mut chunk = vec![0; CHUNK];
    let gone = async { while client.read(&mut chunk).await.is_ok_and(|length| length > 0) {} };
    tokio::select! {
        () = gone => {}
        _ = damage.wait_for(|damage| *damage == Some(Damage::Cut)) => {}
    }
}

/// Resets a connection, so that the peer sees an error immediately.
fn reset(stream: &TcpStream) {
    // Without it the socket is closed normally, which also ends the connection.
    let _ = stream.set_zero_linger();
}
