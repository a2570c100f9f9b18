//! How many connections each client network may have open.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use heyi_common::config;
use ipnet::IpNet;
use metrics::{Counter, counter};

use crate::{address, meters};

/// Counts the open connections of each client network.
pub(super) struct Connections {
    /// The most of one network; 0 is no bound.
    most: u32,
    /// Proxies carry the connections of everybody.
    trusted: Vec<IpNet>,
    open: Mutex<HashMap<IpAddr, u32>>,
    refused: Counter,
}

/// An open connection; dropping it makes room for another one.
pub(super) struct Open(Option<(Arc<Connections>, IpAddr)>);

impl Connections {
    /// The bound of `config`.
    pub(super) fn new(config: &config::Http) -> Self {
        Self {
            most: config.connections_per_address,
            trusted: config.trusted_proxies.clone(),
            open: Mutex::default(),
            refused: counter!(meters::CONNECTIONS_REFUSED),
        }
    }

    /// Counts a connection of `peer`, unless its network has as many as it may have.
    pub(super) fn open(self: &Arc<Self>, peer: IpAddr) -> Option<Open> {
        if self.most == 0 || address::is_in(peer, &self.trusted) {
            return Some(Open(None));
        }
        let network = address::network(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count < self.most {
            *count += 1;
            return Some(Open(Some((self.clone(), network))));
        }
        drop(open);
        self.refused.increment(1);
        tracing::warn!(
            client = %network,
            "connection refused: this client has http.connections_per_address open; if it is your proxy, name it \
             in http.trusted_proxies"
        );
        None
    }

    fn close(&self, network: IpAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some((connections, network)) = self.0.take() {
            connections.close(network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: u32) -> Arc<Connections> {
        Arc::new(Connections {
            most,
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            open: Mutex::default(),
            refused: Counter::noop(),
        })
    }

    fn open(connections: &Arc<Connections>, peer: &str) -> Option<Open> {
        connections.open(peer.parse().unwrap())
    }

    #[test]
    fn each_network_has_its_own_bound_and_proxies_have_none() {
        let connections = connections(2);
        let first = open(&connections, "2001:db8::1").unwrap();
        let _second = open(&connections, "2001:db8::2").unwrap();
        assert!(open(&connections, "2001:db8::3").is_none());
        let _others =
            ["2001:db8:0:1::1", "198.51.100.1"].map(|peer| open(&connections, peer).unwrap());
        let _proxy: Vec<_> = (0..5)
            .map(|_| open(&connections, "10.0.0.1").unwrap())
            .collect();
        drop(first);
        assert!(open(&connections, "2001:db8::3").is_some());
    }

    #[test]
    fn nothing_is_kept_of_connections_that_are_closed() {
        let connections = connections(1);
        drop(open(&connections, "198.51.100.1"));
        // One that IPv6 carries is the same.
        let mapped = open(&connections, "::ffff:198.51.100.1").unwrap();
        assert!(open(&connections, "198.51.100.1").is_none());
        drop(mapped);
        assert!(connections.open.lock().unwrap().is_empty());
    }

    #[test]
    fn none_is_no_bound() {
        let connections = connections(0);
        let open: Vec<_> = (0..1000)
            .filter_map(|_| open(&connections, "198.51.100.1"))
            .collect();
        assert_eq!(open.len(), 1000);
    }
}
