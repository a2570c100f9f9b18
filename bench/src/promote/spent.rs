//! What Redis had to do.

use anyhow::{Context as _, Result};
use heyi_common::redis::Redis;

/// What it did until now, or for one of many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) commands: f64,
    pub(super) received: f64,
    /// To its append-only file.
    pub(super) written: f64,
}

impl Spent {
    pub(super) async fn read(redis: &Redis) -> Result<Self> {
        let told: String = redis::cmd("INFO").query_async(&mut redis.shared()).await?;
        let field = |name: &str| -> Result<f64> {
            let mut fields = told.lines().filter_map(|line| line.split_once(':'));
            let found = fields.find(|(field, _)| *field == name);
            let (_, value) = found.with_context(|| format!("Redis does not tell {name}"))?;
            Ok(value.trim().parse()?)
        };
        Ok(Self {
            commands: field("total_commands_processed")?,
            received: field("total_net_input_bytes")?,
            written: field("aof_current_size")?,
        })
    }

    /// What it did since then, for each of `count`.
    pub(super) fn since(self, before: Self, count: u32) -> Self {
        let each = |now: f64, then: f64| (now - then) / f64::from(count);
        Self {
            commands: each(self.commands, before.commands),
            received: each(self.received, before.received),
            written: each(self.written, before.written),
        }
    }
}
