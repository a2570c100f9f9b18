//! The strangers: a process of its own, so that its work is not taken for the api's.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::task::TaskTracker;

use crate::http::requests;

/// Connections that the forgeries share.
const FORGERS: u32 = 64;
/// The most that one of them sends.
const FORGERIES: u32 = 10_000_000;
/// Between two bytes of a slow connection.
const DRIP: Duration = Duration::from_secs(1);
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(100);
const COUNT_EVERY: Duration = Duration::from_millis(500);
const ANSWER: &str = "HTTP/1.1 ";
const REFUSED: &str = "HTTP/1.1 400 ";

/// What they do, for how long.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Plan {
    pub(crate) port: u16,
    pub(crate) seconds: u64,
    /// The merchant whose notifies are forged
    pub(crate) mchid: String,
    /// Connections whose head comes byte by byte
    #[arg(long, default_value_t = 0)]
    pub(crate) heads: u32,
    /// Connections whose body comes byte by byte
    #[arg(long, default_value_t = 0)]
    pub(crate) bodies: u32,
    /// Notifies with a false signature a second
    #[arg(long, default_value_t = 0)]
    pub(crate) forged: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Forgeries sent a second.
    pub(crate) sent_rate: f64,
    /// Forgeries answered with 400 a second.
    pub(crate) refused_rate: f64,
    /// Forgeries answered otherwise.
    pub(crate) answered_otherwise: u64,
    /// Slow connections that were open, on average.
    pub(crate) slow: f64,
    /// Slow connections that the server ended.
    pub(crate) cut_off: u64,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    refused: AtomicU64,
    answered_otherwise: AtomicU64,
    slow: AtomicU64,
    cut_off: AtomicU64,
}

/// Attacks, and prints the [`Report`].
pub(crate) async fn run(plan: Plan) -> Result<()> {
    let server: SocketAddr = (Ipv4Addr::LOCALHOST, plan.port).into();
    let counts = Arc::new(Counts::default());
    let strangers = TaskTracker::new();
    for number in 0..plan.heads + plan.bodies {
        let request = slow_request(number < plan.bodies);
        strangers.spawn(drip_for_ever(server, request, Arc::clone(&counts)));
    }
    if plan.forged > 0 {
        for number in 0..FORGERS {
            let (read, write) = TcpStream::connect(server).await?.into_split();
            let every = Duration::from_secs(u64::from(FORGERS)) / plan.forged;
            let forgeries = Forgeries {
                mchid: plan.mchid.clone(),
                first: number * FORGERIES,
                every,
            };
            strangers.spawn(forgeries.send(write, Arc::clone(&counts)));
            strangers.spawn(count_answers(read, Arc::clone(&counts)));
        }
    }
    let report = watch(&counts, Duration::from_secs(plan.seconds)).await;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a minute are far below 2^52"
)]
async fn watch(counts: &Counts, length: Duration) -> Report {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let start = Instant::now();
    let (mut slow, mut looks) = (0, 0);
    while start.elapsed() < length {
        sleep(COUNT_EVERY).await;
        slow += read(&counts.slow);
        looks += 1;
    }
    let rate = |count: &AtomicU64| read(count) as f64 / start.elapsed().as_secs_f64();
    Report {
        sent_rate: rate(&counts.sent),
        refused_rate: rate(&counts.refused),
        answered_otherwise: read(&counts.answered_otherwise),
        slow: slow as f64 / f64::from(looks),
        cut_off: read(&counts.cut_off),
    }
}

/// What comes at once, and what byte by byte.
fn slow_request(is_slow_in_body: bool) -> (&'static str, &'static str) {
    if is_slow_in_body {
        let head = "POST /notify HTTP/1.1\r\nhost: localhost\r\ncontent-length: 300\r\n\
                    content-type: application/x-www-form-urlencoded\r\n\r\n";
        (head, "return_code=1&total_fee=990&out_trade_no=")
    } else {
        ("", "POST /notify HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
    }
}

async fn drip_for_ever(
    server: SocketAddr,
    request: (&'static str, &'static str),
    counts: Arc<Counts>,
) {
    loop {
        if let Ok(stream) = TcpStream::connect(server).await {
            counts.slow.fetch_add(1, Ordering::Relaxed);
            // However it ends, the next one follows.
            let _ = drip(stream, request).await;
            counts.slow.fetch_sub(1, Ordering::Relaxed);
            counts.cut_off.fetch_add(1, Ordering::Relaxed);
        }
        sleep(AGAIN).await;
    }
}

/// Goes on until the server ends it.
async fn drip(mut stream: TcpStream, (at_once, slowly): (&str, &str)) -> Result<()> {
    stream.write_all(at_once.as_bytes()).await?;
    let mut bytes = slowly.bytes().chain(std::iter::repeat(b'x'));
    let mut answer = [0; 1024];
    loop {
        tokio::select! {
            () = sleep(DRIP) => stream.write_all(bytes.next().as_slice()).await?,
            read = stream.read(&mut answer) => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// What one connection sends.
struct Forgeries {
    mchid: String,
    first: u32,
    every: Duration,
}

impl Forgeries {
    /// Sends at a steady rate, whether answers come or not.
    async fn send(self, mut write: OwnedWriteHalf, counts: Arc<Counts>) -> Result<()> {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in self.first..self.first + FORGERIES {
            ticks.tick().await;
            let request = requests::forged_notify(&self.mchid, number);
            write.write_all(&request).await?;
            counts.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn count_answers(read: OwnedReadHalf, counts: Arc<Counts>) -> Result<()> {
    let mut lines = BufReader::new(read);
    let mut line = String::new();
    while lines.read_line(&mut line).await? > 0 {
        // The body of the answer before it has no end of line.
        if line.contains(REFUSED) {
            counts.refused.fetch_add(1, Ordering::Relaxed);
        } else if line.contains(ANSWER) {
            counts.answered_otherwise.fetch_add(1, Ordering::Relaxed);
        }
        line.clear();
    }
    Ok(())
}
