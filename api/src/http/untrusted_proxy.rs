//! Detects untrusted proxies. Their `X-Forwarded-For` is ignored, so all their clients share one rate limit.

use std::{
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use axum::http::HeaderMap;
use heyi_common::proxies;
use ipnet::IpNet;
use tokio::time::{Instant, sleep};

use crate::state::AppState;

/// Headers in which proxies name the client.
const HEADERS: [&str; 3] = ["x-forwarded-for", "forwarded", "x-real-ip"];
/// Delay until a detected proxy is noted in Redis.
const NOTE_AFTER: Duration = Duration::from_secs(1);
/// How long detection pauses after a proxy was noted. Shorter than the lifetime of a note.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// How likely a peer that sends such a header is our proxy. Anyone on the internet can send it.
const NOBODY: u8 = 0;
const ON_THE_INTERNET: u8 = 1;
const ON_OUR_NETWORK: u8 = 2;

/// Detected untrusted proxies.
#[derive(Default)]
pub(crate) struct UntrustedProxies {
    /// The likeliest proxy seen since detection began.
    seen: AtomicU8,
    /// The likeliest proxy logged.
    logged: AtomicU8,
    to_note: Mutex<Option<IpAddr>>,
}

impl UntrustedProxies {
    /// Checks whether an untrusted peer names another client. After a detection this costs one comparison.
    pub(crate) fn look(&self, peer: IpAddr, headers: &HeaderMap) {
        let likely = likelihood(peer);
        if self.seen.load(Ordering::Relaxed) >= likely
            || !HEADERS.iter().any(|name| headers.contains_key(*name))
        {
            return;
        }
        self.seen.fetch_max(likely, Ordering::Relaxed);
        *self.to_note.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
        if self.logged.fetch_max(likely, Ordering::Relaxed) < likely {
            tracing::warn!(
                proxy = %IpNet::from(peer),
                "X-Forwarded-For is ignored: if this address is your proxy, add it to http.trusted_proxies; until then \
                 all clients behind it share one rate limit"
            );
        }
    }

    fn take(&self) -> Option<IpAddr> {
        self.to_note
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Writes notes for `heyi-worker doctor`, outside the threads that serve requests.
pub(crate) async fn keep_noting(state: AppState) {
    let mut looking_since = Instant::now();
    loop {
        sleep(NOTE_AFTER).await;
        if let Some(peer) = state.untrusted.take() {
            let noted = proxies::note_untrusted(&state.redis, state.queue.keys(), peer.into());
            if let Err(error) = noted.await {
                tracing::debug!(%error, "cannot note the untrusted proxy");
            }
        }
        if looking_since.elapsed() > LOOK_AGAIN {
            looking_since = Instant::now();
            state.untrusted.seen.store(NOBODY, Ordering::Relaxed);
        }
    }
}

fn likelihood(peer: IpAddr) -> u8 {
    let is_ours = match peer {
        IpAddr::V4(peer) => peer.is_private() || peer.is_loopback() || peer.is_link_local(),
        IpAddr::V6(peer) => {
            peer.is_loopback() || peer.is_unique_local() || peer.is_unicast_link_local()
        }
    };
    if is_ours {
        ON_OUR_NETWORK
    } else {
        ON_THE_INTERNET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_seen_once_and_a_more_likely_one_too() {
        let proxies = UntrustedProxies::default();
        let mut headers = HeaderMap::new();
        let look = |peer: &str, headers: &HeaderMap| {
            proxies.look(peer.parse().unwrap(), headers);
            proxies.take().map(|peer| peer.to_string())
        };
        assert_eq!(look("172.30.0.1", &headers), None);
        headers.insert("x-real-ip", "203.0.113.1".parse().unwrap());
        for (peer, expected) in [
            ("198.51.100.1", Some("198.51.100.1")),
            ("198.51.100.2", None),
            ("172.30.0.1", Some("172.30.0.1")),
            ("fd00::1", None),
            ("198.51.100.3", None),
        ] {
            assert_eq!(look(peer, &headers).as_deref(), expected, "{peer}");
        }
    }
}
