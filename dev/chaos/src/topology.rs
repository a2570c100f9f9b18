//! The topologies: which processes a run has.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use heyi_testkit::{
    servers::Server,
    topology::{MongoSet, RedisCluster, RedisPair},
};
use serde::Serialize;

use crate::{
    fault::{Node, Wire},
    store::Store,
};

const APIS: u8 = 2;
const WORKERS: u8 = 2;
const SENTINELS: u8 = 3;
/// Masters of a cluster.
const MASTERS: u8 = 3;
const SECONDARIES: u8 = 2;

/// The stores under the two apis and the two workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// One Redis, and a replica set of one MongoDB
    Single,
    /// A Redis with a replica and Sentinel, and a replica set of three
    Replica,
    /// A Redis Cluster of three masters, and a replica set of three
    Cluster,
}

/// The stores of a run.
pub struct Stores {
    /// Redis.
    pub redis: Store,
    /// MongoDB.
    pub mongo: Store,
}

impl Topology {
    /// Starts the stores, with their data below `dir`.
    pub async fn start(self, dir: &Path) -> Result<Stores> {
        let redis = async {
            anyhow::Ok(match self {
                Topology::Single => {
                    let server = Server::redis_with_clock(&dir.join("redis")).await?;
                    Store::One(Box::new(server))
                }
                Topology::Replica => Store::Pair(RedisPair::start(dir).await?),
                Topology::Cluster => Store::Cluster(RedisCluster::start(dir).await?),
            })
        };
        let mongo = async {
            anyhow::Ok(match self {
                Topology::Single => {
                    let server = Server::mongo(&dir.join("mongo"), None).await?;
                    Store::One(Box::new(server))
                }
                Topology::Replica | Topology::Cluster => Store::Set(MongoSet::start(dir).await?),
            })
        };
        let (redis, mongo) = tokio::try_join!(redis, mongo)?;
        Ok(Stores { redis, mongo })
    }

    /// Additional settings for the processes of Heyi.
    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        const REPLICAS: (&str, &str) = ("HEYI_REDIS__WAIT_REPLICAS", "1");
        match self {
            Topology::Single => &[],
            Topology::Replica => &[REPLICAS],
            Topology::Cluster => &[REPLICAS, ("HEYI_QUEUE__PARTITIONS", "16")],
        }
    }

    /// The processes that a fault can break.
    pub fn nodes(self) -> Vec<Node> {
        let heyi = apis().chain(workers());
        let secondaries = (1..=SECONDARIES).map(Node::MongoSecondary);
        match self {
            Topology::Single => heyi.chain([Node::Redis(1), Node::Mongo]).collect(),
            Topology::Replica => heyi
                .chain([Node::Redis(1), Node::RedisReplica(1), Node::Mongo])
                .chain((1..=SENTINELS).map(Node::Sentinel))
                .chain(secondaries)
                .collect(),
            Topology::Cluster => heyi
                .chain((1..=MASTERS).flat_map(|pair| [Node::Redis(pair), Node::RedisReplica(pair)]))
                .chain([Node::Mongo])
                .chain(secondaries)
                .collect(),
        }
    }

    /// The servers that can fail over.
    pub fn masters(self) -> Vec<Node> {
        let mut nodes = self.nodes();
        nodes.retain(|node| {
            self != Topology::Single && matches!(node, Node::Redis(_) | Node::Mongo)
        });
        nodes
    }

    /// The wires that can be damaged. Replicated stores announce their own addresses to clients, so their connections cannot
    /// go through our proxies.
    pub fn wires(self) -> Vec<Wire> {
        let mut wires: Vec<Wire> = Vec::new();
        if self == Topology::Single {
            for store in [Node::Redis(1), Node::Mongo] {
                wires.extend(apis().map(|api| Wire::new(api, store)));
                wires.extend(workers().map(|worker| Wire::new(worker, store)));
            }
        }
        wires.extend(apis().map(|api| Wire::new(Node::PayJs, api)));
        wires.extend(workers().map(|worker| Wire::new(worker, Node::PayJs)));
        wires
    }
}

fn apis() -> impl Iterator<Item = Node> {
    (1..=APIS).map(Node::Api)
}

fn workers() -> impl Iterator<Item = Node> {
    (1..=WORKERS).map(Node::Worker)
}
