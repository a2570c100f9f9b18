//! A store: one server, or a set that fails over.

use anyhow::{Context as _, Result, bail};
use heyi_testkit::{
    servers::Server,
    topology::{MongoSet, RedisCluster, RedisPair},
};

use crate::fault::Node;

/// The servers of Redis or of MongoDB.
pub enum Store {
    /// A single server.
    One(Box<Server>),
    /// A Redis, its replica and their sentinels.
    Pair(RedisPair),
    /// Three pairs of Redis.
    Cluster(RedisCluster),
    /// A MongoDB replica set of three.
    Set(MongoSet),
}

impl Store {
    /// Its URL for clients.
    pub fn url(&self) -> String {
        match self {
            Store::One(server) => server.url(),
            Store::Pair(pair) => pair.url(),
            Store::Cluster(cluster) => cluster.url(),
            Store::Set(set) => set.url(),
        }
    }

    /// The servers that hold data.
    pub fn servers(&self) -> &[Server] {
        match self {
            Store::One(server) => std::slice::from_ref(&**server),
            Store::Pair(pair) => &pair.servers,
            Store::Cluster(cluster) => &cluster.servers,
            Store::Set(set) => &set.servers,
        }
    }

    /// All servers: those that hold data, then the sentinels.
    pub fn servers_mut(&mut self) -> Vec<&mut Server> {
        match self {
            Store::One(server) => vec![server],
            Store::Pair(pair) => pair.servers.iter_mut().chain(&mut pair.sentinels).collect(),
            Store::Cluster(cluster) => cluster.servers.iter_mut().collect(),
            Store::Set(set) => set.servers.iter_mut().collect(),
        }
    }

    /// Waits until every server has its role and all data.
    pub async fn settled(&self) -> Result<()> {
        match self {
            Store::One(_) => Ok(()),
            Store::Pair(pair) => pair.settled().await,
            Store::Cluster(cluster) => cluster.settled().await,
            Store::Set(set) => set.settled().await,
        }
    }

    /// The index of the server that has this role now.
    pub async fn find(&self, node: Node) -> Result<usize> {
        Ok(match (self, node) {
            (Store::One(_), _) => 0,
            (Store::Pair(pair), Node::Redis(_)) => pair.master().await?,
            (Store::Pair(pair), Node::RedisReplica(_)) => 1 - pair.master().await?,
            (Store::Pair(pair), Node::Sentinel(number)) => {
                pair.servers.len() + usize::from(number) - 1
            }
            (Store::Cluster(cluster), Node::Redis(number)) => master(cluster, number).await?,
            (Store::Cluster(cluster), Node::RedisReplica(number)) => {
                cluster.partner(master(cluster, number).await?)
            }
            (Store::Set(set), Node::Mongo) => primary(set).await?,
            (Store::Set(set), Node::MongoSecondary(number)) => {
                (primary(set).await? + usize::from(number)) % set.servers.len()
            }
            _ => bail!("no such server: {node}"),
        })
    }

    /// Fails over from this server, as an operator would.
    pub async fn hand_over(&self, node: Node) -> Result<()> {
        match self {
            Store::One(_) => bail!("nobody can take over"),
            Store::Pair(pair) => pair.hand_over().await,
            Store::Cluster(cluster) => cluster.hand_over(self.find(node).await?).await,
            Store::Set(set) => set.hand_over().await,
        }
    }
}

/// The index of the master of this pair, from 1.
async fn master(cluster: &RedisCluster, number: u8) -> Result<usize> {
    let first = usize::from(number) - 1;
    let masters = cluster.masters().await?;
    let found = masters
        .into_iter()
        .find(|master| *master == first || *master == cluster.partner(first));
    found.with_context(|| format!("pair {number} has no master"))
}

async fn primary(set: &MongoSet) -> Result<usize> {
    set.primary().await.context("MongoDB has no primary")
}
