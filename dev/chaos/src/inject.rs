//! Injects the faults of a plan.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use heyi_testkit::servers::Server;
use jiff::Timestamp;
use redis::{AsyncConnectionConfig, Client, Cmd};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    fault::{Fault, Node},
    fleet::{Fleet, Part, Process},
    flood,
    plan::{Plan, Planned},
    settle,
};

const INSIST_FOR: Duration = Duration::from_secs(30);
/// `maxmemory` of the configuration that we ship.
const SHIPPED_LIMIT: &str = "1gb";
/// The timeout of one attempt.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The timeout of an answer of Redis.
const PATIENCE: Duration = Duration::from_secs(2);

/// A fault that was injected.
#[derive(Debug, Clone, Serialize)]
pub struct Injected {
    /// The fault.
    pub fault: Fault,
    /// Its start.
    pub from: Timestamp,
    /// Its end: a server answered again, a process of Heyi was started, a wire was repaired, or the failover was done.
    pub healed: Timestamp,
}

/// Injects all faults of a plan that began at `start`, each at its time.
pub async fn carry_out(fleet: &Fleet, plan: &Plan, start: Instant) -> Result<Vec<Injected>> {
    let injected = plan.faults().iter().map(async |planned| {
        sleep_until(start + planned.at).await;
        let injected = inject(fleet, *planned).await;
        injected.with_context(|| planned.fault.to_string())
    });
    try_join_all(injected).await
}

async fn inject(fleet: &Fleet, planned: Planned) -> Result<Injected> {
    let Planned { fault, lasting, .. } = planned;
    let (from, healed) = match fault {
        Fault::Kill(node) | Fault::Stop(node) | Fault::Freeze(node) => {
            of_process(fleet, node, fault, lasting).await?
        }
        Fault::Wire(wire, damage) => {
            let from = Timestamp::now();
            fleet.damage(wire, Some(damage));
            sleep(lasting).await;
            fleet.damage(wire, None);
            (from, Timestamp::now())
        }
        Fault::KillAll => kill_all(fleet, lasting).await?,
        Fault::HandOver(node) => {
            let part = fleet.part(node).await?;
            part.settled().await?;
            let from = Timestamp::now();
            insist(async || part.hand_over(node).await).await?;
            let healed = Timestamp::now();
            part.settled().await?;
            (from, healed)
        }
        Fault::FlushScripts | Fault::FullMemory | Fault::OrderFlood | Fault::ClockJump(_) => {
            let redis = fleet.part(Node::Redis(1)).await?;
            let from = Timestamp::now();
            of_redis(fleet, &redis, fault, lasting).await?;
            (from, Timestamp::now())
        }
    };
    Ok(Injected {
        fault,
        from,
        healed,
    })
}

async fn of_process(
    fleet: &Fleet,
    node: Node,
    fault: Fault,
    lasting: Duration,
) -> Result<(Timestamp, Timestamp)> {
    let mut part = fleet.part(node).await?;
    // Replicas must have all data of a server before it is broken.
    part.settled().await?;
    let number = part.find(node).await?;
    let mut processes = part.processes();
    let process = processes.get_mut(number).context("no such process")?;
    let from = Timestamp::now();
    match fault {
        Fault::Freeze(_) => process.pause()?,
        Fault::Stop(_) => process.end().await?,
        _ => process.kill().await?,
    }
    sleep(lasting).await;
    match fault {
        Fault::Freeze(_) => process.resume()?,
        _ => process.start().await?,
    }
    let healed = Timestamp::now();
    drop(processes);
    part.settled().await?;
    Ok((from, healed))
}

async fn kill_all(fleet: &Fleet, lasting: Duration) -> Result<(Timestamp, Timestamp)> {
    let mut parts = fleet.all_parts().await;
    try_join_all(parts.iter().map(|part| part.settled())).await?;
    let from = Timestamp::now();
    let mut processes: Vec<_> = parts.iter_mut().flat_map(|part| part.processes()).collect();
    try_join_all(processes.iter_mut().map(Process::kill)).await?;
    sleep(lasting).await;
    try_join_all(processes.iter_mut().map(Process::start)).await?;
    let healed = Timestamp::now();
    drop(processes);
    try_join_all(parts.iter().map(|part| part.settled())).await?;
    Ok((from, healed))
}

async fn of_redis(fleet: &Fleet, redis: &Part, fault: Fault, lasting: Duration) -> Result<()> {
    let queue = fleet.world.queue()?;
    match fault {
        Fault::FullMemory => {
            insist(async || tell_all(redis, &["CONFIG", "SET", "maxmemory", "1"]).await).await?;
            sleep(lasting).await;
            insist(async || tell_all(redis, &["CONFIG", "SET", "maxmemory", SHIPPED_LIMIT]).await)
                .await
        }
        Fault::OrderFlood => flood::fill(&fleet.world, redis, lasting).await,
        Fault::ClockJump(ms) => match redis.servers().first().and_then(Server::clock) {
            Some(clock) => clock.set(ms / 1000),
            // A repeat after a failure may move some events twice. Any jump is fine.
            None => insist(async || settle::move_retries(&queue, |due| due + ms).await).await,
        },
        _ => insist(async || tell_all(redis, &["SCRIPT", "FLUSH"]).await).await,
    }
}

/// Sends a command to every server, including replicas, which may become masters.
async fn tell_all(redis: &Part, words: &[&str]) -> Result<()> {
    let patience = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    for server in redis.servers() {
        let mut connection = Client::open(server.url())?
            .get_multiplexed_async_connection_with_config(&patience)
            .await?;
        let mut command = Cmd::new();
        let told = command.arg(words).exec_async(&mut connection).await;
        told.with_context(|| format!("cannot tell Redis {}", words.join(" ")))?;
    }
    Ok(())
}

/// Retries for a while, since the store may have returned just now.
async fn insist(mut step: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + INSIST_FOR;
    loop {
        match timeout(ATTEMPT, step())
            .await
            .unwrap_or_else(|late| Err(late.into()))
        {
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => sleep(Duration::from_millis(100)).await,
            Ok(()) => return Ok(()),
        }
    }
}
