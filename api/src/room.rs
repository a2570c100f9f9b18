//! Whether Redis has memory for new orders.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use heyi_common::redis::{Memory, MemoryGauges, Redis, Room, is_forbidden, room};
use tokio::time::sleep;

use crate::http::error::Error;

/// How often the masters are queried. In this time orders add a few MiB at most, far less than `memory_share` leaves
/// free.
const EVERY: Duration = Duration::from_millis(500);
/// `Retry-After` of `/newOrder` in seconds: unpaid orders expire.
const RETRY_AFTER: u64 = 60;

/// The known memory usage of Redis. Shared by the whole process, so that a check costs no round trip.
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

    /// Queries the masters twice a second. Stops if Redis forbids it; orders are then accepted.
    pub(crate) async fn watch(&self, redis: &Redis, share: f64) {
        loop {
            match redis.memory().await {
                Ok(masters) => self.note(&masters, share),
                // Logged by the check of Redis's settings.
                Err(error) if is_forbidden(&error) => return self.note(&[], share),
                // Clears the gauges. A Redis that was full still counts as full: it may only be slow.
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
        if let Some(problem) = room.problem() {
            tracing::error!("{problem}");
        } else {
            tracing::info!("Redis has room for new orders again");
        }
    }
}
