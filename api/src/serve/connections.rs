//! Limits of open connections: for each client, for each site, and in total.

use std::{net::IpAddr, sync::Arc};

use heyi_common::config;
use ipnet::IpNet;
use metrics::{Counter, counter};
use rustix::process::{Resource, getrlimit};

use crate::{
    http::{
        client_ip,
        pool::{Bounds, Full, Pool, Reservation},
    },
    meters,
};

/// A quarter of the process's file descriptors is reserved for stores and other uses.
const RESERVED_PART: u64 = 4;

/// Counts open connections.
pub(super) struct Connections {
    /// The limit for one client; 0 disables all limits.
    most: u32,
    /// Proxies carry the connections of many clients, so only the total limits them.
    trusted: Vec<IpNet>,
    open: Arc<Pool>,
    refused: Counter,
}

/// An open connection; dropping it releases its slot.
pub(super) struct Open {
    _reservation: Option<Reservation>,
}

impl Connections {
    /// Creates the limits of `config`.
    pub(super) fn new(config: &config::Http) -> Self {
        Self {
            most: config.connections_per_address,
            trusted: config.trusted_proxies.clone(),
            open: Arc::default(),
            refused: counter!(meters::CONNECTIONS_REFUSED),
        }
    }

    /// Counts a connection of `peer`, unless a limit is reached.
    pub(super) fn open(&self, peer: IpAddr) -> Option<Open> {
        // An operator may change the limit of a running process.
        self.open_of(peer, getrlimit(Resource::Nofile).current)
    }

    /// Like [`open`](Self::open), with the given limit of file descriptors.
    fn open_of(&self, peer: IpAddr, files: Option<u64>) -> Option<Open> {
        if self.most == 0 {
            return Some(Open { _reservation: None });
        }
        let client = client_ip::network(peer);
        let files = files.unwrap_or(u64::MAX);
        let total = files - files / RESERVED_PART;
        let bounds = if client_ip::is_in(peer, &self.trusted) {
            Bounds::only(total)
        } else {
            Bounds::new(total, self.most.into())
        };
        match self.open.reserve(client, 1, bounds) {
            Ok(held) => Some(Open {
                _reservation: Some(held),
            }),
            Err(full) => {
                self.refuse(client, full);
                None
            }
        }
    }

    fn refuse(&self, client: IpAddr, full: Full) {
        self.refused.increment(1);
        let reason = match full {
            Full::Client => {
                "this client has http.connections_per_address open; if it is your proxy, name it in http.trusted_proxies"
            }
            Full::Site => {
                "the /48 or /24 of this client has a quarter of all connections open; if it is your proxy, name it in \
                 http.trusted_proxies"
            }
            Full::Total => {
                "three quarters of the files that this process may open are connections; raise its limit of open files"
            }
        };
        tracing::warn!(%client, "connection refused: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit of file descriptors, of which a quarter is reserved.
    const FILES: u64 = 64;

    fn connections(most: u32) -> Connections {
        Connections {
            most,
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            open: Arc::default(),
            refused: Counter::noop(),
        }
    }

    fn open(connections: &Connections, peer: &str) -> Option<Open> {
        connections.open_of(peer.parse().unwrap(), Some(FILES))
    }

    #[test]
    fn each_client_has_its_own_bound_and_proxies_have_none() {
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
        // An IPv4-mapped IPv6 address counts as the IPv4 address.
        let mapped = open(&connections, "::ffff:198.51.100.1").unwrap();
        assert!(open(&connections, "198.51.100.1").is_none());
        drop(mapped);
        assert_eq!(connections.open.total(), 0);
    }

    #[test]
    fn the_clients_of_one_site_leave_connections_to_others() {
        let connections = connections(2);
        let of_site: Vec<_> = (0..100)
            .filter_map(|number| open(&connections, &format!("2001:db8:0:{number:x}::1")))
            .collect();
        assert_eq!(of_site.len(), 12);
        let others: Vec<_> = (0..100)
            .filter_map(|number| open(&connections, &format!("198.51.{number}.1")))
            .collect();
        // A quarter of the file descriptors is reserved.
        assert_eq!(of_site.len() + others.len(), 48);
        assert!(open(&connections, "10.0.0.1").is_none());
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
