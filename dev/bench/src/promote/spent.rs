//! What Redis had to do.

use anyhow::Result;
use heyi_common::redis::Redis;

use crate::server::Info;

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
        let told = Info::read(redis).await?;
        Ok(Self {
            commands: told.number("total_commands_processed")?,
            received: told.number("total_net_input_bytes")?,
            written: told.number("aof_current_size")?,
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
