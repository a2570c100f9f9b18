//! The map of slots to masters, looked up again after a failover.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{ConnectionInfo, ErrorKind, RedisResult};

use super::{
    RedisUrl, cluster,
    node::Node,
    refreshable::{Refreshable, Versioned},
    sentinel,
    slot::SLOTS,
};

/// The known masters.
pub(super) struct Masters {
    url: RedisUrl,
    map: Refreshable<Map>,
    /// Kept when the map is looked up again, so that masters that stay keep their connections.
    nodes: Mutex<Vec<Arc<Node>>>,
}

/// The masters by their last slot. A single master has all slots.
pub(super) type Map = Arc<[(u16, Arc<Node>)]>;

impl Masters {
    pub(super) fn new(url: RedisUrl) -> Self {
        Self {
            url,
            map: Refreshable::default(),
            nodes: Mutex::default(),
        }
    }

    /// The map, looked up if it is not known.
    pub(super) async fn map(&self) -> RedisResult<Versioned<Map>> {
        self.map.get(async || self.find().await).await
    }

    /// Forgets the map after a master became unavailable.
    pub(super) async fn forget(&self, version: u64) {
        if self.may_move() {
            self.map.forget(version).await;
        }
    }

    /// Whether a failover can make another server the master.
    pub(super) fn may_move(&self) -> bool {
        !matches!(self.url, RedisUrl::Single(_))
    }

    pub(super) fn are_many(&self) -> bool {
        self.url.is_cluster()
    }

    /// The number of the database in each server.
    pub(super) fn database(&self) -> i64 {
        self.url.database()
    }

    async fn find(&self) -> RedisResult<Map> {
        let found = match &self.url {
            RedisUrl::Single(server) => vec![(SLOTS - 1, server.clone())],
            RedisUrl::Sentinel {
                sentinels,
                name,
                pattern,
            } => vec![(SLOTS - 1, sentinel::master(sentinels, name, pattern).await?)],
            RedisUrl::Cluster { seeds, pattern } => {
                let known = self
                    .known()
                    .iter()
                    .map(|node| node.server().clone())
                    .collect();
                cluster::masters(known, seeds, pattern).await?
            }
        };
        self.connect_to(found)
    }

    fn known(&self) -> Vec<Arc<Node>> {
        self.nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn connect_to(&self, found: Vec<(u16, ConnectionInfo)>) -> RedisResult<Map> {
        let mut known = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        let mut map = Vec::with_capacity(found.len());
        for (last, server) in found {
            let is_it = |node: &&Arc<Node>| node.server().addr() == server.addr();
            let there = known.iter().chain(&before).find(is_it).cloned();
            let node = match there {
                Some(node) => node,
                None => Arc::new(Node::new(server)?),
            };
            if !known.iter().any(|other| Arc::ptr_eq(other, &node)) {
                known.push(node.clone());
            }
            map.push((last, node));
        }
        let is_new = |node: &Arc<Node>| !before.iter().any(|other| Arc::ptr_eq(other, node));
        for node in known.iter().filter(|node| self.may_move() && is_new(node)) {
            tracing::info!(redis.address = %node.server().addr(), "found a master of Redis");
        }
        Ok(map.into())
    }
}

/// The master of a slot.
pub(super) fn master_of(map: &Map, slot: u16) -> RedisResult<&Arc<Node>> {
    let at = map.partition_point(|(last, _)| *last < slot);
    map.get(at)
        .map(|(_, node)| node)
        .ok_or_else(|| (ErrorKind::Client, "no master of Redis has this slot").into())
}

/// Every master once.
pub(super) fn all(map: &Map) -> Vec<Arc<Node>> {
    let mut nodes: Vec<Arc<Node>> = Vec::new();
    for (_, node) in map.iter() {
        if !nodes.iter().any(|other| Arc::ptr_eq(other, node)) {
            nodes.push(node.clone());
        }
    }
    nodes
}
