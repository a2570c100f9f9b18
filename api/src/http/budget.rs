//! Budgets for outbound calls that requests cause: gateways for new orders, WeChat for logins.
//!
//! Gateways and WeChat block clients that call too often. So there is a total budget, well below their limits. Each
//! client address, each site and each person may use only a part of it.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota,
    clock::{Clock, DefaultClock, QuantaInstant},
};
use heyi_common::config::Config;

use crate::http::{
    client_ip::{SITE_PART, site},
    error::Error,
};

/// A client address may use a fifth of the budget, and a person a fiftieth.
const OF_CLIENT: u64 = 5;
const OF_PERSON: u64 = 50;
/// Burst of calls for a client address, its site or a person.
const BURST_OF_CLIENT: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
const BURST_OF_PERSON: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);

/// The budgets of this process.
pub(crate) struct Budgets {
    native: Option<Budget>,
    login: Option<Budget>,
}

/// A rate of calls per second. Calls above it are refused, not delayed.
struct Budget {
    all: DefaultDirectRateLimiter,
    by_site: DefaultKeyedRateLimiter<IpAddr>,
    by_client: DefaultKeyedRateLimiter<IpAddr>,
    by_person: DefaultKeyedRateLimiter<String>,
}

impl Budgets {
    /// Creates the budgets of `config`; a rate of 0 is no limit.
    pub(crate) fn new(config: &Config) -> Self {
        let budget = |rate| NonZeroU32::new(rate).and_then(Budget::new);
        Self {
            native: budget(config.payjs.native_rate),
            login: budget(config.wechat.login_rate),
        }
    }

    /// Takes one call of a gateway for an order of `openid`.
    pub(crate) fn native(&self, client: IpAddr, openid: &str) -> Result<(), Error> {
        let taken = self
            .native
            .as_ref()
            .map(|budget| budget.take(client, Some(openid)));
        taken
            .unwrap_or(Ok(()))
            .map_err(|retry_after| Error::TooManyCalls {
                what: "native orders",
                retry_after,
                advice: "or choose another channel",
            })
    }

    /// Takes one call of WeChat for a login.
    pub(crate) fn login(&self, client: IpAddr) -> Result<(), Error> {
        let taken = self.login.as_ref().map(|budget| budget.take(client, None));
        taken
            .unwrap_or(Ok(()))
            .map_err(|retry_after| Error::TooManyCalls {
                what: "logins",
                retry_after,
                advice: "then log in with a new code",
            })
    }

    /// Takes another call of WeChat for a login in progress, if one is left.
    pub(crate) fn login_again(&self) -> bool {
        let login = self.login.as_ref();
        login.is_none_or(|budget| budget.all.check().is_ok())
    }

    /// Removes unused clients and persons, so that memory stays bounded.
    pub(crate) fn sweep(&self) {
        for budget in [&self.native, &self.login].into_iter().flatten() {
            budget.by_site.retain_recent();
            budget.by_site.shrink_to_fit();
            budget.by_client.retain_recent();
            budget.by_client.shrink_to_fit();
            budget.by_person.retain_recent();
            budget.by_person.shrink_to_fit();
        }
    }
}

impl Budget {
    fn new(rate: NonZeroU32) -> Option<Self> {
        let part = |of: u64| Quota::with_period(Duration::from_secs(of) / rate.get());
        let of_site = part(SITE_PART)?.allow_burst(BURST_OF_CLIENT);
        let of_client = part(OF_CLIENT)?.allow_burst(BURST_OF_CLIENT);
        let of_person = part(OF_PERSON)?.allow_burst(BURST_OF_PERSON);
        Some(Self {
            all: DefaultDirectRateLimiter::direct(Quota::per_second(rate)),
            by_site: DefaultKeyedRateLimiter::keyed(of_site),
            by_client: DefaultKeyedRateLimiter::keyed(of_client),
            by_person: DefaultKeyedRateLimiter::keyed(of_person),
        })
    }

    /// Takes one call, or returns the seconds until the next one is available.
    ///
    /// The client's limit is checked first, so that it cannot fill the memory with invented persons. The total comes
    /// last, so that a refused call does not use it up.
    fn take(&self, client: IpAddr, person: Option<&str>) -> Result<(), u64> {
        self.by_client
            .check_key(&client)
            .map_err(|until| seconds(&until))?;
        if let Some(person) = person {
            self.by_person
                .check_key(&person.to_owned())
                .map_err(|until| seconds(&until))?;
        }
        self.by_site
            .check_key(&site(client))
            .map_err(|until| seconds(&until))?;
        self.all.check().map_err(|until| seconds(&until))
    }
}

fn seconds(until: &NotUntil<QuantaInstant>) -> u64 {
    until
        .wait_time_from(DefaultClock::default().now())
        .as_secs()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client of a different site for each number.
    fn client(number: u8) -> IpAddr {
        IpAddr::from([198, 51, number, 1])
    }

    /// A budget that does not refill while a test runs.
    fn slow() -> Budget {
        Budget {
            all: DefaultDirectRateLimiter::direct(Quota::per_hour(
                NonZeroU32::MIN.saturating_add(11),
            )),
            ..Budget::new(NonZeroU32::MIN).unwrap()
        }
    }

    #[test]
    fn a_person_a_client_and_all_have_a_part_each() {
        let budget = slow();
        let take = |number, person: &str| budget.take(client(number), Some(person)).is_ok();
        assert_eq!((0..9).filter(|_| take(1, "alice")).count(), 3);
        // Another client address gives her no more.
        assert!(!take(2, "alice"));
        // All five calls of the first client were counted, so none are left.
        assert!(!take(1, "bob"));
        let others = (3..20).filter(|number| take(*number, &number.to_string()));
        assert_eq!(others.count(), 12 - 3);
    }

    #[test]
    fn the_clients_of_one_site_leave_calls_to_others() {
        let budget = slow();
        let of_site = (0..40u16).map(|number| [0x2001, 0xdb8, 0, number, 0, 0, 0, 0]);
        let taken = of_site.filter(|client| budget.take((*client).into(), None).is_ok());
        assert_eq!(taken.count(), 5);
        assert_eq!(
            (0..9)
                .filter(|number| budget.take(client(*number), None).is_ok())
                .count(),
            7
        );
    }

    #[test]
    fn who_is_refused_learns_when_to_come_again() {
        let budget = slow();
        let refused = (0..9).find_map(|_| budget.take(client(1), Some("alice")).err());
        // One of 50 parts of a rate of one call per second.
        assert!((45..=51).contains(&refused.unwrap()), "{refused:?}");
    }
}
