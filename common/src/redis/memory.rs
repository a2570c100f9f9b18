//! Memory use of the masters.

use std::sync::{Mutex, PoisonError};

use futures::future::try_join_all;
use metrics::gauge;
use redis::{InfoDict, RedisError, RedisResult};

use super::{Redis, connection::Request, masters::all};

/// The memory of a master.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// The server.
    pub server: String,
    /// The memory in use, in bytes, as compared with `maxmemory`.
    pub used: u64,
    /// Its `maxmemory` in bytes; 0 is no limit.
    pub max: u64,
}

/// What the memory of the masters permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Room {
    /// All writes: there is no `maxmemory`, or Redis does not report it.
    #[default]
    Enough,
    /// A master is above `orders.memory_share`: new orders are refused.
    NoOrders {
        /// The memory in use at that master, in percent of its `maxmemory`.
        percent: u8,
    },
    /// A master is at its `maxmemory` and refuses writes.
    Full,
}

impl Room {
    /// A message for the operator, if anything is wrong.
    pub fn problem(self) -> Option<String> {
        match self {
            Self::Enough => None,
            Self::NoOrders { percent } => Some(format!(
                "new orders are refused: Redis uses {percent} % of its maxmemory, more than orders.memory_share"
            )),
            Self::Full => Some(
                "Redis is at its maxmemory and refuses writes: raise maxmemory, or look at what fills it".to_owned(),
            ),
        }
    }
}

impl Memory {
    fn read(server: String, info: &InfoDict) -> Self {
        let number = |name: &str| info.get::<u64>(name).unwrap_or(0);
        Self {
            server,
            // Redis does not count its own buffers for replicas and the append-only file.
            used: number("used_memory").saturating_sub(number("mem_not_counted_for_evict")),
            max: number("maxmemory"),
        }
    }

    /// The memory in use, in percent of its `maxmemory`; none without a limit.
    pub fn percent(&self) -> Option<u8> {
        let percent = (self.used.saturating_mul(100)).checked_div(self.max)?;
        Some(u8::try_from(percent).unwrap_or(u8::MAX))
    }

    /// The [`Room`] of this memory, if new orders are refused above `share` of `maxmemory`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share does not need the last digits"
    )]
    pub fn room(&self, share: f64) -> Room {
        match self.percent() {
            Some(_) if self.used >= self.max => Room::Full,
            Some(percent) if self.used as f64 > share * self.max as f64 => {
                Room::NoOrders { percent }
            }
            _ => Room::Enough,
        }
    }
}

/// The [`Room`] of all masters: the fullest decides.
pub fn room(masters: &[Memory], share: f64) -> Room {
    let fullest = masters
        .iter()
        .filter(|memory| memory.max > 0)
        .max_by(|one, other| {
            let share_of = |memory: &Memory, by: u64| u128::from(memory.used) * u128::from(by);
            share_of(one, other.max).cmp(&share_of(other, one.max))
        });
    fullest.map_or(Room::Enough, |memory| memory.room(share))
}

impl Redis {
    /// The memory of every master.
    pub async fn memory(&self) -> RedisResult<Vec<Memory>> {
        let map = self.masters.map().await?;
        let mut question = redis::cmd("INFO");
        question.arg("memory");
        let asked = all(&map.value).into_iter().map(async |node| {
            let mut answers = node.send(Request::One(&question)).await?;
            let answer = answers.pop().unwrap_or(redis::Value::Nil).extract_error()?;
            let info: InfoDict = redis::from_redis_value(answer)?;
            let server = node.server().addr().to_string();
            Ok::<_, RedisError>(Memory::read(server, &info))
        });
        let memory = try_join_all(asked).await;
        // A forbidden command says nothing about where the master is.
        if memory.as_ref().is_err_and(|error| !is_forbidden(error)) {
            self.masters.forget(map.version).await;
        }
        memory
    }
}

/// Gauges of the memory of every master.
#[derive(Debug, Default)]
pub struct MemoryGauges(Mutex<Vec<String>>);

impl MemoryGauges {
    /// Sets the gauges to the answers. Masters that are no longer known are set to NaN.
    #[expect(
        clippy::cast_precision_loss,
        reason = "gauges are floating; a few bytes do not matter"
    )]
    pub fn tell(&self, masters: &[Memory]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let set = |server: &str, used: f64, max: f64| {
            gauge!("heyi_redis_memory_bytes", "server" => server.to_owned()).set(used);
            gauge!("heyi_redis_maxmemory_bytes", "server" => server.to_owned()).set(max);
        };
        for server in known.drain(..) {
            if !masters.iter().any(|memory| memory.server == server) {
                set(&server, f64::NAN, f64::NAN);
            }
        }
        for memory in masters {
            set(&memory.server, memory.used as f64, memory.max as f64);
            known.push(memory.server.clone());
        }
    }
}

/// Whether a server answered that this user may not run the command.
pub fn is_forbidden(error: &RedisError) -> bool {
    let unknown = || error.to_string().contains("unknown command");
    error.code() == Some("NOPERM") || unknown()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(used: u64, max: u64) -> Memory {
        Memory {
            server: String::new(),
            used,
            max,
        }
    }

    #[test]
    fn the_fullest_master_decides() {
        for (masters, expected) in [
            (vec![], Room::Enough),
            (vec![memory(500, 0)], Room::Enough),
            (vec![memory(80, 100), memory(700, 1_000)], Room::Enough),
            (
                vec![memory(80, 100), memory(810, 1_000)],
                Room::NoOrders { percent: 81 },
            ),
            (vec![memory(99, 100), memory(1_000, 1_000)], Room::Full),
            (vec![memory(500, 0), memory(2_000, 1_000)], Room::Full),
        ] {
            assert_eq!(room(&masters, 0.8), expected, "{masters:?}");
        }
    }
}
