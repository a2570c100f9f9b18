//! Whether Redis has room for new orders.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use heyi_common::redis::{Memory, MemoryGauges, Redis, Room, is_forbidden, room};
use tokio::time::sleep;

use crate::http::error::Error;

/// How often the masters are asked. In this time orders take a few MiB at most, far less than what the share leaves.
const EVERY: Duration = Duration::from_millis(500);
/// What `/newOrder` tells its caller: unpaid orders go as they expire.
const RETRY_AFTER: u64 = 60;

/// What is known of the memory of Redis. One for each process, so that a request costs nothing.
#[derive(Debug, Default)]
pub(crate) struct OrderRoom {
    refuses: AtomicBool,
    gauges: MemoryGauges,
}

impl OrderRoom {
    /// Fails when a master is above `orders.memory_share`.
    pub(crate) fn require(&self) -> Result<(), Error> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Error::NoRoom {
                retry_after: RETRY_AFTER,
            });
        }
        Ok(())
    }

    /// Asks the masters twice a second. Ends where Redis forbids it; orders are taken then.
    pub(crate) async fn watch(&self, redis: &Redis, share: f64) {
        loop {
            match redis.memory().await {
                Ok(masters) => self.note(&masters, share),
                // Logged by who looks at the settings of Redis.
                Err(error) if is_forbidden(&error) => return self.note(&[], share),
                // Its gauges tell nothing. A Redis that was full a moment ago is taken for full: it may only be slow.
                Err(_) => self.gauges.tell(&[]),
            }
            sleep(EVERY).await;
        }
    }

    fn note(&self, masters: &[Memory], share: f64) {
        self.gauges.tell(masters);
        let room = room(masters, share);
        let refuses = room != Room::Enough;
        if self.refuses.swap(refuses, Ordering::Relaxed) == refuses {
            return;
        }
        if let Some(trouble) = room.trouble() {
            tracing::error!("{trouble}");
        } else {
            tracing::info!("Redis has room for new orders again");
        }
    }
}
