//! So many requests a second for each client address.

use std::{net::IpAddr, num::NonZeroU32};

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
};
use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use heyi_common::config;

use crate::http::error::Error;

/// How many seconds' worth of requests may come in one burst.
const BURST: u32 = 4;
/// Gateways and those who watch over us must get through.
const EXEMPT: [&str; 2] = ["/notify", "/healthz"];

/// A picture takes a thousand times the work of other requests, so it counts as several.
const PICTURE: (&str, u32) = ("/decode", 10);

/// Counts requests by client address; an IPv6 network of a household (/64) counts as one.
pub(crate) struct RateLimit {
    limits: Option<Limits>,
    clock: DefaultClock,
}

struct Limits {
    /// What payers open. Behind a proxy that is not trusted all clients are one; calls of the API must not lock them out there.
    pages: DefaultKeyedRateLimiter<IpAddr>,
    calls: DefaultKeyedRateLimiter<IpAddr>,
    /// How many requests may come in one burst.
    burst: NonZeroU32,
}

impl RateLimit {
    /// The limit of `config`; a rate of 0 is none.
    pub(crate) fn new(config: &config::Http) -> Self {
        let limits = NonZeroU32::new(config.rate_limit).map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST - 1));
            let quota = Quota::per_second(rate).allow_burst(burst);
            Limits {
                pages: DefaultKeyedRateLimiter::keyed(quota),
                calls: DefaultKeyedRateLimiter::keyed(quota),
                burst,
            }
        });
        Self {
            limits,
            clock: DefaultClock::default(),
        }
    }

    /// Refuses a client that asks too often.
    pub(crate) fn admit(&self, client: IpAddr, request: &Request) -> Result<(), Error> {
        let path = request.extensions().get::<MatchedPath>();
        let path = path.map_or("", MatchedPath::as_str);
        if EXEMPT.contains(&path) {
            return Ok(());
        }
        let count = if path == PICTURE.0 { PICTURE.1 } else { 1 };
        self.check(client, count, is_page(path, request.method()))
    }

    /// Counts `count` requests, or as many as may come in one burst.
    fn check(&self, client: IpAddr, count: u32, is_page: bool) -> Result<(), Error> {
        let Some(limits) = &self.limits else {
            return Ok(());
        };
        let limiter = if is_page {
            &limits.pages
        } else {
            &limits.calls
        };
        let count = NonZeroU32::new(count).map_or(NonZeroU32::MIN, |count| count.min(limits.burst));
        let checked = limiter.check_key_n(&client, count);
        // More than a whole burst is never asked for.
        let checked = checked.unwrap_or(Ok(()));
        checked.map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Error::TooManyRequests {
                retry_after: wait.as_secs() + 1,
            }
        })
    }

    /// Forgets the addresses whose whole burst is free again, so that memory stays bounded.
    pub(crate) fn sweep(&self) {
        let limiters = self
            .limits
            .iter()
            .flat_map(|limits| [&limits.pages, &limits.calls]);
        for limiter in limiters {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// Whether a request is for what payers open: the page of a code, its pictures, the form of a report.
fn is_page(path: &str, method: &Method) -> bool {
    path.starts_with("/qr") || (path == "/report" && method == Method::GET)
}

#[cfg(test)]
mod tests {
    use heyi_common::config::DEFAULTS;

    use super::*;
    use crate::http::client_ip::network;

    fn limit(rate: u32) -> RateLimit {
        let table: toml::Table = DEFAULTS.parse().unwrap();
        let mut config: config::Http = table["http"].clone().try_into().unwrap();
        config.rate_limit = rate;
        RateLimit::new(&config)
    }

    fn passed(limit: &RateLimit, client: &str) -> bool {
        limit
            .check(network(client.parse().unwrap()), 1, false)
            .is_ok()
    }

    #[test]
    fn a_burst_is_four_seconds_worth_and_each_network_has_its_own() {
        let limit = limit(1);
        for _ in 0..4 {
            assert!(passed(&limit, "2001:db8::1"));
        }
        assert!(!passed(&limit, "2001:db8::2"));
        assert!(passed(&limit, "2001:db8:0:1::1"));
        assert!(passed(&limit, "198.51.100.1"));
        assert!(matches!(
            limit.check("2001:db8::".parse().unwrap(), 1, false),
            Err(Error::TooManyRequests { retry_after: 1 | 2 })
        ));
    }

    #[test]
    fn a_picture_counts_as_several_requests_but_never_as_more_than_a_burst() {
        let client = "198.51.100.1".parse().unwrap();
        for (rate, pictures) in [(20, 8), (1, 1)] {
            let limit = limit(rate);
            let passed = (0..10).filter(|_| limit.check(client, PICTURE.1, false).is_ok());
            assert_eq!(passed.count(), pictures, "{rate} a second");
        }
    }

    #[test]
    fn pages_are_counted_apart() {
        let limit = limit(1);
        let client = "198.51.100.1".parse().unwrap();
        let passed = |is_page| {
            (0..9)
                .filter(|_| limit.check(client, 1, is_page).is_ok())
                .count()
        };
        assert_eq!((passed(false), passed(true)), (4, 4));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let limit = limit(0);
        assert!((0..1000).all(|_| passed(&limit, "198.51.100.1")));
    }
}
