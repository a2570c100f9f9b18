//! The queue of events: one Redis stream per partition.
//!
//! # The life of an event
//!
//! 1. [`enqueue`] adds a notify, or the gateway's signed answer to a query, to the stream and extends its order, in one
//!    round trip. From then on the event is safe: it leaves the stream only by one of the transitions below.
//! 2. [`consume`] reads it for one worker. Redis keeps it in that consumer's list of pending entries.
//! 3. The worker decides on an [`Outcome`]. [`settle`] carries it out in one atomic transition:
//!    done, parked for a retry, dead letter, rejected, or nothing more to do.
//! 4. [`due`] moves parked events back into the stream when they are due.
//! 5. [`heartbeat`] detects dead consumers, and [`takeover`] claims their events. An event that was delivered too often to
//!    workers that died becomes a dead letter.
//! 6. [`dead`] lists and replays dead letters for an operator. A payment has at most one.
//!
//! A confirm asks the gateway about a payment that a payer named. It waits in [`confirms`] for its turn before step 2. If
//! the gateway says that it was paid, the answer becomes an event of the order that it names, and the confirm is done.
//!
//! Due times come from Redis's clock, so workers' clocks do not matter. Redis's clock may be set back: an expiry or due
//! time that is further ahead than any that was set is ignored. Liveness does not depend on Redis's clock.
//! Every transition also works while Redis is above its `maxmemory`.
//!
//! `attempt` never ends an event, since an outage raises it too. Separate counters do: `order_lookups` counts failed
//! lookups of the order, `check_refusals` the checks that the gateway refused to answer, and `paid_checks` the checks that
//! said paid. Their fields exist only when they are not zero.
//! said so before. They are only there once they count.
//!
//! # Keys
//!
//! As below with one partition. With more, `{partition}:` follows the prefix, so that each partition is in one slot of a
//! Redis Cluster. All keys are made in [`Keys`].
//!
//! | key | type | contents |
//! |---|---|---|
//! | `heyi:order:<out_trade_no>` | string, JSON, expires | the order |
//! | `heyi:open:<openid>` | sorted set by expiry in ms, expires | numbers of the person's open orders, see [`pending_orders`](crate::pending_orders) |
//! | `heyi:signed:<sign>` | string, expires | the order that this signature of `/newOrder` made |
//! | `heyi:notify` | stream, group `promoters` | events: `gateway`; `body`, `answer`, or `confirm` with `out_trade_no`, `asker`, `expiry` and `turn`; `attempt`, `received_at`; `order_lookups`, `check_refusals`, `paid_checks` |
//! | `heyi:notify:retry` | sorted set by due time in ms | events that wait for their next attempt, JSON |
//! | `heyi:notify:dead` | stream | events that ended without a promotion, with `reason`, `error`, `attempts` |
//! | `heyi:notify:rejected` | stream, at most about 10,000 | events with an invalid signature |
//! | `heyi:notify:heartbeats` | hash by consumer | a value that changes every 2 s while the consumer lives |
//! | `heyi:confirms` | sorted set by turn | confirms that wait for their turn, JSON |
//! | `heyi:confirms:turns` | hash | `round`: the round of the last turn; `number`: how many confirms have waited |
//! | `heyi:confirms:next:<asker>` | string, EX 4 h | the round in which an asker has the next turn |
//! | `heyi:confirms:<asker>` | set, EX 4 h | the orders for which an asker has a confirm in the queue |
//! | `heyi:confirm:<out_trade_no>` | string, EX 30 s | a confirm was queued recently; `paid` for 10 min once the gateway said so |
//! | `heyi:letter:<gateway>:<payment_id>` | string | the dead letter of a payment; kept for a year after it was dropped |
//! | `heyi:letter:named:<gateway>:<payment_id>` | string | the same for a payment that only a confirm named |
//! | `heyi:failed:<out_trade_no>` | string, EX 30 d | the reason of its dead letter |
//! | `heyi:check` | string, PX 1 s | a worker has moved a confirm into the stream |
//! | `heyi:check:question` | string, PX 1 s | a worker has asked the gateway |
//! | `heyi:scans`, `heyi:scans:…` | | see [`scans`](crate::scans) |

mod event;
mod in_flight;
mod keys;
mod outcome;

pub mod backend;
pub mod confirms;
pub mod consume;
pub mod dead;
pub mod due;
pub mod enqueue;
pub mod heartbeat;
pub mod settle;
pub mod status;
pub mod takeover;

pub use confirms::{Asker, Confirming};
pub use consume::Consumer;
pub use event::{Cause, Delivery, Event, EventError};
pub use keys::{Keys, Partition};
pub use outcome::{DeadReason, Outcome};

use redis::{RedisError, RedisResult};

use crate::{
    config,
    redis::{Redis, Script, Shared},
};

/// The consumer group of the workers.
pub const GROUP: &str = "promoters";

/// A handle to the queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    redis: Redis,
    keys: Keys,
}

impl Queue {
    /// The queue in this Redis.
    pub fn new(redis: Redis, redis_config: &config::Redis, config: &config::Queue) -> Self {
        Self {
            redis,
            keys: Keys::new(&redis_config.prefix, config.partitions),
        }
    }

    /// The names of its keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Its connection to Redis.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    fn connection(&self) -> Shared {
        self.redis.shared()
    }

    /// Creates the stream and its group if they do not exist, even in a Redis at its `maxmemory`.
    pub async fn ensure_group(&self, partition: Partition) -> RedisResult<()> {
        Script::new(include_str!("queue/lua/ensure_group.lua"))
            .key(self.keys.notify(partition))
            .arg(GROUP)
            .invoke_async(&mut self.connection())
            .await
    }
}

/// Treats a missing group as an empty one. Only readers create a group.
fn or_empty<T: Default>(answer: RedisResult<T>) -> RedisResult<T> {
    match answer {
        Err(error) if is_without_group(&error) => Ok(T::default()),
        other => other,
    }
}

/// Whether Redis answered that the group or stream does not exist.
fn is_without_group(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP") || error.to_string().contains("no such key")
}
