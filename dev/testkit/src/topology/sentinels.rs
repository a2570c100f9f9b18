//! A Redis with a replica, and three sentinels that promote it.

use std::{collections::HashMap, path::Path};

use anyhow::{Context as _, Result, ensure};

use super::redis_node::{quick, role, tell, words};
use crate::{
    servers::{PASSWORD, SECRET, Server, process::tail},
    world::eventually,
};

const NAME: &str = "heyi";
/// Lines of each sentinel's log that an error quotes.
const LOG_LINES: usize = 20;

/// Redis, its replica, and three sentinels.
#[derive(Debug)]
pub struct RedisPair {
    /// The two data servers. Failovers change which is the master.
    pub servers: Vec<Server>,
    /// The three sentinels.
    pub sentinels: Vec<Server>,
}

impl RedisPair {
    /// Starts all five with their data below `dir`, and waits until the replica follows and the sentinels agree. The
    /// failover timeout is one second.
    pub async fn start(dir: &Path) -> Result<Self> {
        let master = Server::redis_member(&dir.join("redis-0"), &quick()).await?;
        let mut settings = quick();
        settings.push(format!("replicaof 127.0.0.1 {}", master.port()));
        let replica = Server::redis_member(&dir.join("redis-1"), &settings).await?;
        let watch = [
            format!("sentinel monitor {NAME} 127.0.0.1 {} 2", master.port()),
            format!("sentinel auth-pass {NAME} {PASSWORD}"),
            format!("sentinel down-after-milliseconds {NAME} 1000"),
            format!("sentinel failover-timeout {NAME} 5000"),
            // Sentinels log in to each other with it too.
            format!("requirepass {PASSWORD}"),
        ];
        let mut sentinels = Vec::new();
        for number in 0..3 {
            let dir = dir.join(format!("sentinel-{number}"));
            sentinels.push(Server::sentinel(&dir, &watch).await?);
        }
        let pair = Self {
            servers: vec![master, replica],
            sentinels,
        };
        pair.settled().await?;
        Ok(pair)
    }

    /// The `redis.url` of clients.
    pub fn url(&self) -> String {
        let sentinels: Vec<String> = self.sentinels.iter().map(Server::address).collect();
        format!("redis+sentinel://{SECRET}{}/{NAME}/0", sentinels.join(","))
    }

    /// The index of the master, once the server itself and every sentinel agree.
    pub async fn master(&self) -> Result<usize> {
        let mut ports = Vec::new();
        for sentinel in &self.sentinels {
            let question = words(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}"));
            let (_, port): (String, u16) = tell(sentinel, &question).await?;
            ports.push(port);
        }
        for (number, server) in self.servers.iter().enumerate() {
            if ports.iter().all(|port| *port == server.port()) {
                ensure!(
                    role(server).await?.is_master,
                    "the master is still to be promoted"
                );
                return Ok(number);
            }
        }
        anyhow::bail!("the sentinels do not agree: {ports:?}")
    }

    /// Fails over to the replica, as an operator would. It first waits until every sentinel sees it as a replica: one that
    /// still sees it as a master would reverse the failover immediately.
    pub async fn hand_over(&self) -> Result<()> {
        eventually("a replica in the eyes of every sentinel", async || {
            Ok(self.all_see_the_replica().await.unwrap_or(false))
        })
        .await?;
        let master = self.master().await?;
        let failover = words(&format!("SENTINEL FAILOVER {NAME}"));
        tell::<()>(&self.sentinels[0], &failover).await?;
        self.has_moved_from(master).await
    }

    /// Waits until another server is the master.
    pub async fn has_moved_from(&self, before: usize) -> Result<()> {
        eventually("another master", async || {
            Ok(self.master().await.is_ok_and(|now| now != before))
        })
        .await
        .with_context(|| self.what_sentinels_logged())
    }

    async fn all_see_the_replica(&self) -> Result<bool> {
        for sentinel in &self.sentinels {
            let question = words(&format!("SENTINEL REPLICAS {NAME}"));
            let replicas: Vec<HashMap<String, String>> = tell(sentinel, &question).await?;
            let is_one = |replica: &HashMap<String, String>| {
                let is = |field: &str, value| replica.get(field).is_some_and(|is| is == value);
                is("role-reported", "slave") && is("flags", "slave")
            };
            if replicas.is_empty() || !replicas.iter().all(is_one) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn what_sentinels_logged(&self) -> String {
        let logs = self.sentinels.iter();
        logs.map(|sentinel| tail(&sentinel.log(), LOG_LINES) + "\n")
            .collect()
    }

    /// Waits until the replica follows the master and the sentinels see both and each other.
    pub async fn settled(&self) -> Result<()> {
        eventually("a master with a replica", async || {
            Ok(self.is_settled().await.unwrap_or(false))
        })
        .await
    }

    async fn is_settled(&self) -> Result<bool> {
        let master = self.master().await?;
        let replica = role(&self.servers[1 - master]).await?;
        if replica.is_master || !replica.follows || role(&self.servers[master]).await?.replicas == 0
        {
            return Ok(false);
        }
        for sentinel in &self.sentinels {
            let check = words(&format!("SENTINEL CKQUORUM {NAME}"));
            let others: Vec<redis::Value> =
                tell(sentinel, &words(&format!("SENTINEL SENTINELS {NAME}"))).await?;
            let replicas: Vec<redis::Value> =
                tell(sentinel, &words(&format!("SENTINEL REPLICAS {NAME}"))).await?;
            let can_decide = tell::<String>(sentinel, &check).await.is_ok();
            if !can_decide || others.len() < 2 || replicas.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
