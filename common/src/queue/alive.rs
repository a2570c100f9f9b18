//! Signs of life, in a task of their own: nothing that a worker waits for may keep it from showing one.

use std::time::Duration;

use futures::future::join_all;
use redis::{AsyncCommands, RedisResult};
use tokio::time::Instant;

use super::Consumer;

/// How long a sign of life lasts.
const ALIVE_SECONDS: u64 = 10;
const EVERY: Duration = Duration::from_secs(2);
const EVERY_WHILE_AWAY: Duration = Duration::from_millis(500);

impl Consumer {
    /// Shows signs of life until this consumer has left the group.
    pub async fn keep_alive(self) {
        while !self.left.is_cancelled() {
            let pause = match self.show_life().await {
                Ok(()) => {
                    self.healthy_since.send_if_modified(|since| {
                        let recovered = since.is_none();
                        since.get_or_insert_with(Instant::now);
                        recovered
                    });
                    EVERY
                }
                Err(error) => {
                    self.healthy_since.send_replace(None);
                    tracing::warn!(error = %error, "cannot show a sign of life, trying again");
                    EVERY_WHILE_AWAY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.left.cancelled() => {}
            }
        }
    }

    /// In all partitions at once: a master that is away must not keep the others from seeing it.
    async fn show_life(&self) -> RedisResult<()> {
        let shown = self.queue.keys.partitions().map(async |partition| {
            let key = self.queue.keys.alive(partition, &self.name);
            let mut connection = self.queue.connection();
            connection.set_ex(key, 1, ALIVE_SECONDS).await
        });
        join_all(shown).await.into_iter().collect()
    }
}
