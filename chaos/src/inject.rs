//! Carries out a plan.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use heyi_common::redis::Shared;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    fault::{Fault, Node},
    fleet::Fleet,
    plan::{Plan, Planned},
    settle,
};

const INSIST_FOR: Duration = Duration::from_secs(10);

/// A fault as it really was.
#[derive(Debug, Clone, Serialize)]
pub struct Injected {
    /// What went wrong.
    pub fault: Fault,
    /// Since when.
    pub from: Timestamp,
    /// When it was put right: a store served again, a process of Heyi was started, a wire was whole.
    pub healed: Timestamp,
}

/// Carries out all of a plan that began at `start`, each fault in its own time.
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
        Fault::FlushScripts | Fault::FullMemory | Fault::ClockJump(_) => {
            let _redis = fleet.part(Node::Redis).await?;
            let from = Timestamp::now();
            of_redis(fleet, fault, lasting).await?;
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
    let from = Timestamp::now();
    match fault {
        Fault::Freeze(_) => part.pause()?,
        Fault::Stop(_) => part.end().await?,
        _ => part.kill().await?,
    }
    sleep(lasting).await;
    match fault {
        Fault::Freeze(_) => part.resume()?,
        _ => part.start().await?,
    }
    Ok((from, Timestamp::now()))
}

async fn kill_all(fleet: &Fleet, lasting: Duration) -> Result<(Timestamp, Timestamp)> {
    let mut parts = fleet.all_parts().await;
    let from = Timestamp::now();
    try_join_all(parts.iter_mut().map(|part| part.kill())).await?;
    sleep(lasting).await;
    try_join_all(parts.iter_mut().map(|part| part.start())).await?;
    Ok((from, Timestamp::now()))
}

async fn of_redis(fleet: &Fleet, fault: Fault, lasting: Duration) -> Result<()> {
    let queue = fleet.world.queue()?;
    let redis = || queue.redis().shared();
    match fault {
        Fault::FullMemory => {
            insist(async || set_memory(redis(), "1").await).await?;
            sleep(lasting).await;
            insist(async || set_memory(redis(), "0").await).await
        }
        Fault::ClockJump(ms) => {
            // Each look moves all, so a second one after a failed first may move some twice; any jump will do.
            insist(async || settle::move_retries(&queue, |due| due + ms).await).await
        }
        _ => {
            let flush = || redis::cmd("SCRIPT").arg("FLUSH").clone();
            insist(async || Ok(flush().exec_async(&mut redis()).await?)).await
        }
    }
}

async fn set_memory(mut redis: Shared, bytes: &str) -> Result<()> {
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", bytes])
        .exec_async(&mut redis)
        .await
        .context("cannot set maxmemory")
}

/// Tries again for a while: Redis may have come back a moment ago.
async fn insist(mut step: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + INSIST_FOR;
    loop {
        match step().await {
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => sleep(Duration::from_millis(100)).await,
            Ok(()) => return Ok(()),
        }
    }
}
