//! Where Redis is, as `redis.url` says it.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// One server, servers that sentinels watch, or a cluster.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// `redis://[user:password@]host:port/db`
    Single(ConnectionInfo),
    /// `redis+sentinel://[user:password@]host:port,host:port/name/db`
    Sentinel {
        /// The sentinels.
        sentinels: Vec<ConnectionInfo>,
        /// What they call the master.
        name: String,
        /// How to speak to the master, but for its address.
        pattern: ConnectionInfo,
    },
    /// `redis+cluster://[user:password@]host:port,host:port`
    Cluster {
        /// Some of its nodes.
        seeds: Vec<ConnectionInfo>,
        /// How to speak to any node, but for its address.
        pattern: ConnectionInfo,
    },
}

const FORMS: &str = "must be redis://host:port/db, redis+sentinel://host:port,host:port/name/db or redis+cluster://host:port,host:port; \
     with TLS rediss://, rediss+sentinel:// or rediss+cluster://";

impl Places {
    /// Reads `redis.url`. An error says what is wrong, and never quotes a password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or(FORMS)?;
        match scheme {
            "redis" | "rediss" => server(url).map(Self::Single),
            "redis+sentinel" | "rediss+sentinel" => sentinels(scheme, rest),
            "redis+cluster" | "rediss+cluster" => cluster(scheme, rest),
            _ => Err(FORMS.to_owned()),
        }
    }

    /// The addresses that it names, without users and passwords.
    pub(crate) fn addresses(&self) -> String {
        let list = |nodes: &[ConnectionInfo]| {
            let addresses = nodes.iter().map(|node| node.addr().to_string());
            addresses.collect::<Vec<_>>().join(",")
        };
        match self {
            Self::Single(server) => server.addr().to_string(),
            Self::Sentinel {
                sentinels, name, ..
            } => format!("{name} by sentinels {}", list(sentinels)),
            Self::Cluster { seeds, .. } => list(seeds),
        }
    }

    /// Whether the keys are spread over several masters.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }
}

/// The address of the node that another node or a sentinel named, reached as `pattern` says.
pub(super) fn at(pattern: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let host = host.to_owned();
    let address = match pattern.addr() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    pattern.clone().set_addr(address)
}

/// The host of a node.
pub(super) fn host_of(node: &ConnectionInfo) -> &str {
    match node.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    }
}

fn sentinels(scheme: &str, rest: &str) -> Result<Places, String> {
    let (secret, hosts, path) = split(rest);
    let mut parts = path.splitn(2, '/');
    let name = parts.next().filter(|name| !name.is_empty());
    let name = name.ok_or(
        "must name the master after the sentinels: redis+sentinel://host:port,host:port/name/db",
    )?;
    let db = parts.next().unwrap_or("0");
    let plain = scheme.trim_end_matches("+sentinel");
    let all = nodes(plain, secret, hosts, db)?;
    let pattern = all.first().ok_or(FORMS)?.clone();
    // Sentinels know no databases.
    let sentinels = nodes(plain, "", hosts, "0")?;
    Ok(Places::Sentinel {
        sentinels,
        name: name.to_owned(),
        pattern,
    })
}

fn cluster(scheme: &str, rest: &str) -> Result<Places, String> {
    let (secret, hosts, path) = split(rest);
    if !matches!(path, "" | "0") {
        return Err("a Redis Cluster has no database but 0: leave the path away".to_owned());
    }
    let seeds = nodes(scheme.trim_end_matches("+cluster"), secret, hosts, "0")?;
    let pattern = seeds.first().ok_or(FORMS)?.clone();
    Ok(Places::Cluster { seeds, pattern })
}

/// `[user:password@]`, the hosts, and the path.
fn split(rest: &str) -> (&str, &str, &str) {
    let (before, path) = rest.split_once('/').unwrap_or((rest, ""));
    match before.rfind('@') {
        Some(end) => (&before[..=end], &before[end + 1..], path),
        None => ("", before, path),
    }
}

fn nodes(scheme: &str, secret: &str, hosts: &str, db: &str) -> Result<Vec<ConnectionInfo>, String> {
    hosts
        .split(',')
        .map(|host| {
            if host.is_empty() {
                return Err(FORMS.to_owned());
            }
            server(&format!("{scheme}://{secret}{host}/{db}"))
        })
        .collect()
}

fn server(url: &str) -> Result<ConnectionInfo, String> {
    url.into_connection_info().map_err(|_| FORMS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(nodes: &[ConnectionInfo]) -> Vec<String> {
        nodes.iter().map(|node| node.addr().to_string()).collect()
    }

    #[test]
    fn every_form_is_read() {
        let Places::Single(one) = Places::parse("redis://u:p@example.com:1/2").unwrap() else {
            panic!("not single");
        };
        assert_eq!(one.redis_settings().db(), 2);
        let url = "rediss+sentinel://u:p%40ss@a:1,b:2,[::1]:3/mymaster/4";
        let Places::Sentinel {
            sentinels,
            name,
            pattern,
        } = Places::parse(url).unwrap()
        else {
            panic!("no sentinels");
        };
        assert_eq!(addresses(&sentinels), ["a:1", "b:2", "::1:3"]);
        assert_eq!(sentinels[0].redis_settings().password(), None);
        assert_eq!(name, "mymaster");
        assert_eq!(pattern.redis_settings().password(), Some("p@ss"));
        assert_eq!(pattern.redis_settings().db(), 4);
        let master = at(&pattern, "c", 9);
        assert!(
            matches!(master.addr(), ConnectionAddr::TcpTls { host, port: 9, .. } if host == "c")
        );
        let Places::Cluster { seeds, .. } = Places::parse("redis+cluster://:p@a:1,b").unwrap()
        else {
            panic!("no cluster");
        };
        assert_eq!(addresses(&seeds), ["a:1", "b:6379"]);
        assert_eq!(seeds[1].redis_settings().password(), Some("p"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_its_password() {
        for url in [
            "http://localhost",
            "redis+sentinel://:hush@a:1,b:2",
            "redis+sentinel://:hush@a:1,,b:2/name",
            "redis+sentinel://:hush@a:x/name",
            "redis+cluster://:hush@a:1/3",
            "redis+cluster://",
        ] {
            let error = Places::parse(url).unwrap_err();
            assert!(!error.contains("hush"), "{url}: {error}");
        }
    }
}
