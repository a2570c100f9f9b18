//! The rate limit for each client address.

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

/// The burst, in seconds of the rate.
const BURST: u32 = 4;
/// Never limited: gateways and monitoring.
const EXEMPT: [&str; 2] = ["/notify", "/healthz"];

/// A picture costs a thousand times as much as other requests, so it counts as several.
const PICTURE: (&str, u32) = ("/decode", 10);

/// Rate limits by client address; an IPv6 network of a household (/64) counts as one.
pub(crate) struct RateLimit {
    limits: Option<Limits>,
    clock: DefaultClock,
}

struct Limits {
    /// The limit for payers' pages. Behind an untrusted proxy all clients share one address; API calls must not lock
    /// payers out.
    pages: DefaultKeyedRateLimiter<IpAddr>,
    calls: DefaultKeyedRateLimiter<IpAddr>,
    /// Number of requests in one burst.
    burst: NonZeroU32,
}

impl RateLimit {
    /// Creates the limit of `config`; a rate of 0 is no limit.
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

    /// Refuses a client that exceeds its rate.
    pub(crate) fn admit(&self, client: IpAddr, request: &Request) -> Result<(), Error> {
        let path = request.extensions().get::<MatchedPath>();
        let path = path.map_or("", MatchedPath::as_str);
        if EXEMPT.contains(&path) {
            return Ok(());
        }
        let count = if path == PICTURE.0 { PICTURE.1 } else { 1 };
        self.check(client, count, is_page(path, request.method()))
    }

    /// Counts `count` requests, but at most one burst.
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
        // `count` never exceeds the burst.
        let checked = checked.unwrap_or(Ok(()));
        checked.map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Error::TooManyRequests {
                retry_after: wait.as_secs() + 1,
            }
        })
    }

    /// Removes addresses whose burst is fully available again, so that memory stays bounded.
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

/// Whether the request is for a payer's page: a code, its pictures, the report form.
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
