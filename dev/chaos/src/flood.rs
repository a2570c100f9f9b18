//! Unpaid orders that fill Redis.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use heyi_common::{config::Process, sign};
use heyi_testkit::{
    servers::Server,
    world::{Client, Person, World, data, signed},
};
use jiff::Timestamp;
use redis::{AsyncConnectionConfig, InfoDict, aio::MultiplexedConnection};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::fleet::Part;

/// Additional memory for Redis, besides a quarter of its use at the start of the flood. Orders fill 2.4 MiB within some
/// seconds. The rest is for payments.
const MORE: u64 = 3 * 1024 * 1024;
/// How many clients make orders at the same time.
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes unpaid orders through the api until it refuses them for lack of memory, and keeps Redis full for the rest of
/// `lasting`.
///
/// It fails if Redis refused a command meanwhile: orders must never take the memory of payments.
pub(crate) async fn fill(world: &World, redis: &Part, lasting: Duration) -> Result<()> {
    let until = Instant::now() + lasting;
    let before = Servers::read(redis).await?;
    before.limit(redis).await?;
    let flood = timeout_at(until, flood(world)).await;
    sleep_until(until).await;
    let after = Servers::read(redis).await;
    // Always, since everything after this would fail otherwise.
    before.restore(redis).await?;
    let refused = after?.refused - before.refused;
    ensure!(
        refused == 0,
        "Redis refused {refused} commands for want of memory while orders filled it"
    );
    // Another fault may have stopped the flood earlier.
    flood.unwrap_or(Ok(()))
}

/// The servers' values before the flood.
struct Servers {
    /// The largest memory use of a server, in bytes.
    used: u64,
    /// `maxmemory` of each.
    limits: Vec<u64>,
    /// Commands that were refused for lack of memory.
    refused: u64,
}

impl Servers {
    async fn read(redis: &Part) -> Result<Self> {
        let mut read = Self {
            used: 0,
            limits: Vec::new(),
            refused: 0,
        };
        for server in redis.servers() {
            let mut connection = connect(server).await?;
            let info: InfoDict = redis::cmd("INFO")
                .arg("everything")
                .query_async(&mut connection)
                .await?;
            let number = |name: &str| info.get::<u64>(name).unwrap_or(0);
            read.used = read.used.max(number("used_memory"));
            read.limits.push(number("maxmemory"));
            let refused: Option<String> = info.get("errorstat_OOM");
            let count = refused
                .as_deref()
                .and_then(|text| text.strip_prefix("count="));
            read.refused += count.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(read)
    }

    async fn limit(&self, redis: &Part) -> Result<()> {
        for server in redis.servers() {
            set_limit(server, self.used / 4 * 5 + MORE).await?;
        }
        Ok(())
    }

    async fn restore(&self, redis: &Part) -> Result<()> {
        for (server, limit) in redis.servers().iter().zip(&self.limits) {
            set_limit(server, *limit).await?;
        }
        Ok(())
    }
}

async fn set_limit(server: &Server, bytes: u64) -> Result<()> {
    let told = redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory"])
        .arg(bytes)
        .exec_async(&mut connect(server).await?)
        .await;
    told.context("cannot set maxmemory")
}

async fn connect(server: &Server) -> Result<MultiplexedConnection> {
    let patience = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let client = redis::Client::open(server.url())?;
    Ok(client
        .get_multiplexed_async_connection_with_config(&patience)
        .await?)
}

async fn flood(world: &World) -> Result<()> {
    let config = world.config(Process::Api)?;
    let client = world.client()?;
    let epoch = sign::epoch(Timestamp::now().as_second(), config.sign.epoch);
    let floods = (0..AT_ONCE).map(async |_| {
        loop {
            // Each order is of a new person, who needs no login. A signature is valid for one order only.
            let openid = format!("oFlood{:020x}", rand::random::<u64>());
            let key = sign::person_key(&config.sign.session_secret, &openid, epoch);
            if is_refused(&client, &Person { openid, key }).await {
                return;
            }
        }
    });
    futures::future::join_all(floods).await;
    Ok(())
}

/// Makes an order. True when it was refused for lack of memory.
async fn is_refused(client: &Client, person: &Person) -> bool {
    let data = data(&person.openid, "never paid").to_string();
    let pairs = [("data", data.as_str()), ("totalFee", "990")];
    let order = signed("/newOrder", &pairs, &person.key);
    match client.post_form("/newOrder", &order).await {
        Ok(answer) if answer.status == 200 => false,
        Ok(answer) if answer.status == 503 && answer.body.contains("no new orders") => true,
        // Another fault is active.
        _ => {
            sleep(Duration::from_millis(100)).await;
            false
        }
    }
}
