//! A Redis Cluster: three masters, each with a replica.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::redis_node::{quick, role, tell, words};
use crate::{
    servers::{SECRET, Server, process::free_port},
    world::eventually,
};

const MASTERS: usize = 3;
/// The last slot.
const LAST: usize = 16383;

/// Six servers: the first three begin as masters, the others as their replicas.
#[derive(Debug)]
pub struct RedisCluster {
    /// All servers. Failovers change which are masters.
    pub servers: Vec<Server>,
}

impl RedisCluster {
    /// Starts all six with their data below `dir`, joins them and waits until they serve. Their failover timeout is one
    /// second.
    pub async fn start(dir: &Path) -> Result<Self> {
        let mut servers = Vec::new();
        let mut buses = Vec::new();
        for number in 0..2 * MASTERS {
            let bus = free_port()?;
            let mut settings = quick();
            settings.extend([
                "cluster-enabled yes".to_owned(),
                format!("cluster-port {bus}"),
                "cluster-node-timeout 1000".to_owned(),
                "cluster-require-full-coverage no".to_owned(),
            ]);
            let dir = dir.join(format!("redis-{number}"));
            servers.push(Server::redis_member(&dir, &settings).await?);
            buses.push(bus);
        }
        let cluster = Self { servers };
        cluster.join(&buses).await?;
        cluster.settled().await?;
        Ok(cluster)
    }

    async fn join(&self, buses: &[u16]) -> Result<()> {
        let per_master = LAST / MASTERS + 1;
        for (number, master) in self.servers[..MASTERS].iter().enumerate() {
            let (first, last) = (
                number * per_master,
                ((number + 1) * per_master - 1).min(LAST),
            );
            tell::<()>(
                master,
                &words(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1)),
            )
            .await?;
            tell::<()>(
                master,
                &words(&format!("CLUSTER ADDSLOTSRANGE {first} {last}")),
            )
            .await?;
        }
        for (server, bus) in self.servers.iter().zip(buses).skip(1) {
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", server.port());
            tell::<()>(&self.servers[0], &words(&meet)).await?;
        }
        let count = format!("cluster_known_nodes:{}", self.servers.len());
        eventually("nodes that know each other", async || {
            self.all_say(&count).await
        })
        .await?;
        for (number, replica) in self.servers[MASTERS..].iter().enumerate() {
            let id: String = tell(&self.servers[number], &words("CLUSTER MYID")).await?;
            let follow = words(&format!("CLUSTER REPLICATE {id}"));
            // Refused until the server knows the master.
            eventually("a replica", async || {
                Ok(tell::<()>(replica, &follow).await.is_ok())
            })
            .await?;
        }
        Ok(())
    }

    /// The `redis.url` of clients.
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.servers.iter().map(Server::address).collect();
        format!("redis+cluster://{SECRET}{}", nodes.join(","))
    }

    /// Which servers are masters.
    pub async fn masters(&self) -> Result<Vec<usize>> {
        let mut masters = Vec::new();
        for (number, server) in self.servers.iter().enumerate() {
            if role(server).await.is_ok_and(|role| role.is_master) {
                masters.push(number);
            }
        }
        Ok(masters)
    }

    /// The other server of this one's pair.
    pub fn partner(&self, server: usize) -> usize {
        (server + MASTERS) % (2 * MASTERS)
    }

    /// Fails over from this master to its replica, as an operator would.
    pub async fn hand_over(&self, master: usize) -> Result<()> {
        let replica = self.servers.get(self.partner(master));
        let failover = words("CLUSTER FAILOVER");
        tell::<()>(replica.context("no such server")?, &failover).await?;
        self.has_moved_from(master).await
    }

    /// Waits until the partner of this server is the master.
    pub async fn has_moved_from(&self, master: usize) -> Result<()> {
        let partner = self.partner(master);
        eventually("another master", async || {
            Ok(self.masters().await?.contains(&partner))
        })
        .await
    }

    /// Waits until three masters with a replica each serve all slots.
    pub async fn settled(&self) -> Result<()> {
        eventually("a cluster that serves", async || {
            if !self.all_say("cluster_state:ok").await? {
                return Ok(false);
            }
            let (mut masters, mut replicas) = (0, 0);
            for server in &self.servers {
                let role = role(server).await?;
                masters += usize::from(role.is_master && role.replicas == 1);
                replicas += usize::from(!role.is_master && role.follows);
            }
            Ok((masters, replicas) == (MASTERS, MASTERS))
        })
        .await
    }

    async fn all_say(&self, line: &str) -> Result<bool> {
        for server in &self.servers {
            let info: String = tell(server, &words("CLUSTER INFO")).await?;
            if !info.lines().any(|found| found == line) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
