//! Which processes a run consists of.

use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;
use heyi_sandbox::servers::Server;
use serde::Serialize;

use crate::fault::{Node, Wire};

const APIS: u8 = 2;
const WORKERS: u8 = 2;

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
    pub redis: Server,
    /// MongoDB.
    pub mongo: Server,
}

impl Topology {
    /// Starts the stores, with their data below `dir`.
    pub async fn start(self, dir: &Path) -> Result<Stores> {
        match self {
            Topology::Single => {
                let (redis, mongo) = (dir.join("redis"), dir.join("mongo"));
                let (redis, mongo) =
                    tokio::try_join!(Server::redis(&redis, None), Server::mongo(&mongo, None))?;
                Ok(Stores { redis, mongo })
            }
            Topology::Replica | Topology::Cluster => {
                bail!("this topology cannot be started yet: use --topology single")
            }
        }
    }

    /// The processes that can die.
    pub fn nodes(self) -> Vec<Node> {
        apis()
            .chain(workers())
            .chain([Node::Redis, Node::Mongo])
            .collect()
    }

    /// The wires that can be damaged. Stores of several members tell clients their own addresses, so
    /// connections to them cannot be led over ours.
    pub fn wires(self) -> Vec<Wire> {
        let mut wires: Vec<Wire> = Vec::new();
        if self == Topology::Single {
            for store in [Node::Redis, Node::Mongo] {
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
