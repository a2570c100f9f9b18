//! The least that a durable answer costs: Redis by itself, asked by as many clients.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use heyi_sandbox::{servers::Server, world::World};

use super::load::CONNECTIONS;

/// About as long as an order.
const BYTES: &str = "1024";
const COMMANDS: &str = "20000";

/// Writes a second, by `redis-benchmark`.
pub(super) fn rate(world: &World) -> Result<f64> {
    let port = world.redis.as_ref().map(Server::port);
    let output = Command::new("redis-benchmark")
        .args(["-p", &port.context("no Redis of its own")?.to_string()])
        .args(["-c", &CONNECTIONS.to_string()])
        .args(["-n", COMMANDS, "-d", BYTES, "-r", "1000000"])
        .args(["-t", "set", "--csv"])
        .output()
        .context("cannot run redis-benchmark, which comes with redis-cli")?;
    ensure!(output.status.success(), "redis-benchmark failed");
    // "SET","12345.67",…
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .find_map(|line| line.strip_prefix("\"SET\",\""))
        .and_then(|rest| rest.split('"').next()?.parse().ok())
        .with_context(|| format!("not what redis-benchmark says: {text}"))
}
