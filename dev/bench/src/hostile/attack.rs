//! The attacker: its own process, so that its work is not counted as the api's.

use std::{
    env,
    net::SocketAddr,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use heyi_testkit::servers::process::tethered;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{interval, sleep},
};

use crate::{frame::per_second, load::requests, notify};

/// Connections for forged notifies.
const FORGERS: u32 = 64;
/// The most forgeries of one connection.
const FORGERIES: u32 = 10_000_000;
/// The time between two bytes of a slow connection.
const DRIP: Duration = Duration::from_secs(1);
/// The time between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(100);
const COUNT_EVERY: Duration = Duration::from_millis(50);
const REFUSED: &str = "HTTP/1.1 400 ";
/// The part that is sent immediately, and the part that is sent byte by byte.
const SLOW_HEAD: [&str; 2] = ["", "POST /notify HTTP/1.1\r\nhost: localhost\r\nx-slow: "];
const SLOW_BODY: [&str; 2] = [
    "POST /notify HTTP/1.1\r\nhost: localhost\r\ncontent-length: 300\r\n\
     content-type: application/x-www-form-urlencoded\r\n\r\n",
    "return_code=1&total_fee=990&out_trade_no=",
];

static SENT: AtomicU32 = AtomicU32::new(0);
static ANSWERED_400: AtomicU32 = AtomicU32::new(0);
static SLOW: AtomicU32 = AtomicU32::new(0);

/// The plan of an attack.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) length: Duration,
    /// The merchant whose notifies are forged.
    pub(crate) mchid: String,
    /// Connections that send their head byte by byte.
    pub(crate) heads: u32,
    /// Connections that send their body byte by byte.
    pub(crate) bodies: u32,
    /// Notifies with an invalid signature a second.
    pub(crate) forged: u32,
}

/// Runs an attack. Returns the forgeries sent a second, those answered with 400, and the average of open slow
/// connections.
pub(super) async fn start(plan: Plan) -> Result<[f64; 3]> {
    let output = tethered(&env::current_exe()?)
        .args(["attack", &serde_json::to_string(&plan)?])
        .stdout(Stdio::piped())
        .output()
        .await?;
    let status = output.status;
    ensure!(status.success(), "the attack ended with {status}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Attacks, and prints the result.
pub(crate) async fn run(plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan)?;
    for (count, request) in [(plan.heads, SLOW_HEAD), (plan.bodies, SLOW_BODY)] {
        for _ in 0..count {
            tokio::spawn(drip_for_ever(plan.server, request));
        }
    }
    for forger in 0..FORGERS.min(plan.forged) {
        tokio::spawn(forge(plan.clone(), forger));
    }
    let start = Instant::now();
    let (mut slow, mut looks) = (0.0, 0.0);
    while start.elapsed() < plan.length {
        sleep(COUNT_EVERY).await;
        slow += f64::from(SLOW.load(Relaxed));
        looks += 1.0;
    }
    let [sent, refused] =
        [&SENT, &ANSWERED_400].map(|count| per_second(count.load(Relaxed), start));
    println!("{}", serde_json::to_string(&[sent, refused, slow / looks])?);
    Ok(())
}

/// Sends a request byte by byte until the server ends the connection, and repeats.
async fn drip_for_ever(server: SocketAddr, request: [&str; 2]) {
    loop {
        if let Ok(stream) = TcpStream::connect(server).await {
            SLOW.fetch_add(1, Relaxed);
            // The next one follows in any case.
            let _ = drip(stream, request).await;
            SLOW.fetch_sub(1, Relaxed);
        }
        sleep(AGAIN).await;
    }
}

async fn drip(mut stream: TcpStream, [at_once, slowly]: [&str; 2]) -> Result<()> {
    stream.write_all(at_once.as_bytes()).await?;
    let mut bytes = slowly.bytes().chain(std::iter::repeat(b'x'));
    let mut answer = [0; 1024];
    loop {
        tokio::select! {
            () = sleep(DRIP) => stream.write_all(bytes.next().as_slice()).await?,
            read = stream.read(&mut answer) => ensure!(read? > 0, "the server ended it"),
        }
    }
}

/// Sends forgeries at a steady rate over one connection, without waiting for answers.
async fn forge(plan: Plan, forger: u32) -> Result<()> {
    let wrong_key = "forged".into();
    let (read, mut write) = TcpStream::connect(plan.server).await?.into_split();
    tokio::spawn(count_answers(BufReader::new(read)));
    let mut ticks = interval(Duration::from_secs(u64::from(FORGERS)) / plan.forged);
    for number in forger * FORGERIES.. {
        ticks.tick().await;
        let out_trade_no = notify::out_trade_no(number);
        let form = notify::form(&plan.mchid, &wrong_key, &out_trade_no, number);
        write.write_all(&requests::notify_of(&form)).await?;
        SENT.fetch_add(1, Relaxed);
    }
    Ok(())
}

async fn count_answers(mut answers: impl AsyncBufRead + Unpin) -> Result<()> {
    let mut line = String::new();
    while answers.read_line(&mut line).await? > 0 {
        // The body of the previous answer has no end of line.
        ANSWERED_400.fetch_add(u32::from(line.contains(REFUSED)), Relaxed);
        line.clear();
    }
    Ok(())
}
