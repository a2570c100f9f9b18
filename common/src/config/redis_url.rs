//! The parsed `redis.url`.

use std::{path::Path, time::Duration};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use secrecy::ExposeSecret as _;

use crate::{config, roots};

/// A single server, servers behind Sentinel, or a cluster.
#[derive(Debug, Clone)]
pub(crate) enum RedisUrl {
    /// `redis://[user:password@]host:port/db`
    Single(ConnectionInfo),
    /// `redis+sentinel://[user:password@]host:port,host:port/name/db`
    Sentinel {
        /// The sentinels.
        sentinels: Vec<ConnectionInfo>,
        /// Their name of the master.
        name: String,
        /// The settings of a connection to the master, except its address.
        pattern: ConnectionInfo,
    },
    /// `redis+cluster://[user:password@]host:port,host:port`
    Cluster {
        /// Some of its nodes.
        seeds: Vec<ConnectionInfo>,
        /// The settings of a connection to any node, except its address.
        pattern: ConnectionInfo,
    },
}

const FORMS: &str = "must be redis://host:port/db, redis+sentinel://host:port,host:port/name/db or redis+cluster://host:port,host:port; \
     with TLS rediss://, rediss+sentinel:// or rediss+cluster://";

/// When an idle connection is probed, and how often until it is closed. Load balancers silently drop connections that are
/// idle for some minutes.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

impl RedisUrl {
    /// The servers of the settings. An error names the setting, and never quotes a password.
    pub(crate) fn of(config: &config::Redis) -> Result<Self, String> {
        let url = Self::parse(config.url.expose_secret());
        let mut url = url.map_err(|mistake| format!("redis.url: {mistake}"))?;
        if let Self::Sentinel { sentinels, .. } = &mut url {
            for sentinel in sentinels {
                let mut login = sentinel.redis_settings().clone();
                let password = config.sentinel_password.expose_secret();
                if !password.is_empty() {
                    login = login.set_password(password);
                }
                if !config.sentinel_user.is_empty() {
                    login = login.set_username(&config.sentinel_user);
                }
                *sentinel = sentinel.clone().set_redis_settings(login);
            }
        } else if !config.sentinel_user.is_empty()
            || !config.sentinel_password.expose_secret().is_empty()
        {
            return Err(
                "redis.sentinel_password: there are sentinels only with redis+sentinel://"
                    .to_owned(),
            );
        }
        url.trust(&config.ca_file)?;
        Ok(url)
    }

    /// With TLS, sets the trusted authorities from a file, or the system's if none is named.
    fn trust(&mut self, file: &str) -> Result<(), String> {
        let speaks_tls =
            |server: &ConnectionInfo| matches!(server.addr(), ConnectionAddr::TcpTls { .. });
        let mut servers: Vec<&mut ConnectionInfo> = match self {
            Self::Single(server) => vec![server],
            Self::Sentinel {
                sentinels: all,
                pattern,
                ..
            }
            | Self::Cluster {
                seeds: all,
                pattern,
            } => all.iter_mut().chain([pattern]).collect(),
        };
        if !servers.iter().any(|server| speaks_tls(server)) {
            return if file.is_empty() {
                Ok(())
            } else {
                Err("redis.ca_file: only rediss:// has certificates".to_owned())
            };
        }
        let roots = if file.is_empty() {
            // Without a file, the client trusts webpki-roots.
            roots::system_file().and_then(|system| roots::read(&system).ok())
        } else {
            let roots = roots::read(Path::new(file));
            Some(roots.map_err(|error| format!("redis.ca_file: cannot be used: {error}"))?)
        };
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: roots,
        };
        for server in &mut servers {
            let client = Client::build_with_tls(server.clone(), certificates.clone());
            let client =
                client.map_err(|error| format!("redis.ca_file: cannot be used: {error}"))?;
            **server = client.get_connection_info().clone();
        }
        Ok(())
    }

    /// Reads `redis.url`. An error says what is wrong, and never quotes a password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        if !config::is_password_encoded(url) {
            return Err(config::ENCODE_PASSWORD.to_owned());
        }
        let (scheme, rest) = url.split_once("://").ok_or(FORMS)?;
        match scheme {
            "redis" | "rediss" => server(url).map(Self::Single),
            "redis+sentinel" | "rediss+sentinel" => sentinels(scheme, rest),
            "redis+cluster" | "rediss+cluster" => cluster(scheme, rest),
            _ => Err(FORMS.to_owned()),
        }
    }

    /// The addresses, without users and passwords.
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

    /// The number of the database in each server.
    pub(crate) fn database(&self) -> i64 {
        match self {
            Self::Single(server)
            | Self::Sentinel {
                pattern: server, ..
            } => server.redis_settings().db(),
            Self::Cluster { .. } => 0,
        }
    }

    /// Whether the keys are spread over several masters.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }
}

/// The address of a node that another node or a sentinel named, with the settings of `pattern`.
pub(crate) fn at(pattern: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
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
pub(crate) fn host_of(node: &ConnectionInfo) -> &str {
    match node.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    }
}

fn sentinels(scheme: &str, rest: &str) -> Result<RedisUrl, String> {
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
    // Sentinels have no databases.
    let sentinels = nodes(plain, "", hosts, "0")?;
    Ok(RedisUrl::Sentinel {
        sentinels,
        name: name.to_owned(),
        pattern,
    })
}

fn cluster(scheme: &str, rest: &str) -> Result<RedisUrl, String> {
    let (secret, hosts, path) = split(rest);
    if !matches!(path, "" | "0") {
        return Err("a Redis Cluster has no database but 0: leave the path away".to_owned());
    }
    let seeds = nodes(scheme.trim_end_matches("+cluster"), secret, hosts, "0")?;
    let pattern = seeds.first().ok_or(FORMS)?.clone();
    Ok(RedisUrl::Cluster { seeds, pattern })
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
    let server = url.into_connection_info().map_err(|_| FORMS)?;
    let keepalive = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY)
        .with_retries(PROBES);
    Ok(server.set_tcp_settings(TcpSettings::default().set_keepalive(keepalive)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(nodes: &[ConnectionInfo]) -> Vec<String> {
        nodes.iter().map(|node| node.addr().to_string()).collect()
    }

    #[test]
    fn every_form_is_read() {
        let RedisUrl::Single(one) = RedisUrl::parse("redis://u:p@example.com:1/2").unwrap() else {
            panic!("not single");
        };
        assert_eq!(one.redis_settings().db(), 2);
        let url = "rediss+sentinel://u:p%40ss@a:1,b:2,[::1]:3/mymaster/4";
        let RedisUrl::Sentinel {
            sentinels,
            name,
            pattern,
        } = RedisUrl::parse(url).unwrap()
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
        let RedisUrl::Cluster { seeds, .. } = RedisUrl::parse("redis+cluster://:p@a:1,b").unwrap()
        else {
            panic!("no cluster");
        };
        assert_eq!(addresses(&seeds), ["a:1", "b:6379"]);
        assert_eq!(seeds[1].redis_settings().password(), Some("p"));
    }

    #[test]
    fn sentinels_have_a_login_of_their_own_and_connections_are_probed() {
        let config = config::Redis {
            url: "redis+sentinel://u:p@a:1,b:2/heyi".into(),
            ca_file: String::new(),
            sentinel_user: "watcher".to_owned(),
            sentinel_password: "w".into(),
            prefix: String::new(),
            wait_replicas: 0,
        };
        let RedisUrl::Sentinel {
            sentinels, pattern, ..
        } = RedisUrl::of(&config).unwrap()
        else {
            panic!("no sentinels");
        };
        for sentinel in &sentinels {
            assert_eq!(sentinel.redis_settings().username(), Some("watcher"));
            assert_eq!(sentinel.redis_settings().password(), Some("w"));
        }
        assert_eq!(pattern.redis_settings().password(), Some("p"));
        assert!(at(&pattern, "c", 9).tcp_settings().keepalive().is_some());
        assert!(sentinels[0].tcp_settings().keepalive().is_some());
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
            "redis://u:1234/hush@host/0",
            "redis://u:1234?hush@host",
            "redis://u:1234#hush@host",
            "redis://u:1@hush@host",
        ] {
            let error = RedisUrl::parse(url).unwrap_err();
            assert!(!error.contains("hush"), "{url}: {error}");
        }
    }
}
