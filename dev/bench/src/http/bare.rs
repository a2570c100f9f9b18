//! The least that a durable answer costs: Redis by itself, asked by as many clients.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use heyi_testkit::{servers::Server, world::World};

use super::load::CONNECTIONS;

/// About as long as a notify.
const BODY: &str = "return_code=1&total_fee=990&out_trade_no=20250101000000000000000000000001&payjs_order_id=\
    2025010112345600000000001&transaction_id=4200000000202501000000000001&time_end=2025-01-01+12%3A34%3A56&\
    openid=oPAYJS00000000000000000000000&mchid=1234567890&sign=0123456789ABCDEF0123456789ABCDEF";
const COMMANDS: &str = "20000";

/// One key of many.
pub(crate) const SET: &[&str] = &["SET", "bench:__rand_int__", BODY];
/// One stream.
pub(crate) const XADD: &[&str] = &["XADD", "bench", "*", "form", BODY];

/// Writes a second, by `redis-benchmark`.
pub(crate) fn rate(world: &World, command: &[&str]) -> Result<f64> {
    let port = world.redis.as_ref().map(Server::port);
    let output = Command::new("redis-benchmark")
        .args(["-p", &port.context("no Redis of its own")?.to_string()])
        .args(["-c", &CONNECTIONS.to_string()])
        .args(["-n", COMMANDS, "-r", "1000000", "--csv"])
        .args(command)
        .output()
        .context("cannot run redis-benchmark, which comes with redis-cli")?;
    ensure!(output.status.success(), "redis-benchmark failed");
    // "<the command>","12345.67",…
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .last()
        .and_then(|line| line.split("\",\"").nth(1)?.parse().ok())
        .with_context(|| format!("not what redis-benchmark says: {text}"))
}
