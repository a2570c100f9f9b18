//! A bounded resource with limits for each client and each site.
//!
//! One person can have an IPv6 /48: 65,536 clients of a /64 each. A limit for each client alone would let one person
//! use everything.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::http::client_ip::{SITE_PART, site};

/// The amounts in use.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Holders>);

/// Clients and sites that use nothing have no entry.
#[derive(Default)]
struct Holders {
    total: u64,
    clients: HashMap<IpAddr, u64>,
    sites: HashMap<IpAddr, u64>,
}

/// The limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) total: u64,
    pub(crate) site: u64,
    pub(crate) client: u64,
}

/// The limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Client,
    Site,
    Total,
}

/// The amount that a client uses; dropping it releases it.
pub(crate) struct Reservation {
    pool: Arc<Pool>,
    client: IpAddr,
    amount: u64,
}

impl Bounds {
    /// Limits in total, for each client, and for each site (its part of `total`).
    pub(crate) const fn new(total: u64, client: u64) -> Self {
        Self {
            total,
            site: total / SITE_PART,
            client,
        }
    }

    /// Limits only the total.
    pub(crate) const fn only(total: u64) -> Self {
        Self {
            total,
            site: u64::MAX,
            client: u64::MAX,
        }
    }
}

impl Pool {
    /// Reserves `amount` for `client`.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        client: IpAddr,
        amount: u64,
        bounds: Bounds,
    ) -> Result<Reservation, Full> {
        let mut held = Reservation {
            pool: self.clone(),
            client,
            amount: 0,
        };
        held.grow(amount, bounds)?;
        Ok(held)
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.holders().total
    }
}

impl Reservation {
    /// Reserves `amount` more. A limit does not apply while nothing is reserved under it.
    pub(crate) fn grow(&mut self, amount: u64, bounds: Bounds) -> Result<(), Full> {
        let mut holders = self.pool.holders();
        let held = |holders: &HashMap<_, u64>, key| holders.get(key).copied().unwrap_or_default();
        let site = site(self.client);
        for (held, most, full) in [
            (
                held(&holders.clients, &self.client),
                bounds.client,
                Full::Client,
            ),
            (held(&holders.sites, &site), bounds.site, Full::Site),
            (holders.total, bounds.total, Full::Total),
        ] {
            if held > 0 && held.saturating_add(amount) > most {
                return Err(full);
            }
        }
        holders.total += amount;
        *holders.clients.entry(self.client).or_default() += amount;
        *holders.sites.entry(site).or_default() += amount;
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut holders = self.pool.holders();
        holders.total -= self.amount;
        lessen(holders.clients.entry(self.client), self.amount);
        lessen(holders.sites.entry(site(self.client)), self.amount);
    }
}

fn lessen(held: Entry<'_, IpAddr, u64>, amount: u64) {
    if let Entry::Occupied(mut held) = held {
        *held.get_mut() -= amount;
        if *held.get() == 0 {
            held.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds::new(16, 2);

    fn reserve(pool: &Arc<Pool>, client: &str, amount: u64) -> Result<Reservation, Full> {
        pool.reserve(client.parse().unwrap(), amount, BOUNDS)
    }

    #[test]
    fn the_clients_of_a_site_have_a_part_together() {
        let pool = Arc::default();
        for site in ["2001:db8:1", "2001:db8:2"] {
            let client = |number: u32| format!("{site}:{number:x}::");
            let held: Vec<_> = (0..2)
                .map(|number| reserve(&pool, &client(number), 2).unwrap())
                .collect();
            assert_eq!(reserve(&pool, &client(0), 1).err(), Some(Full::Client));
            assert_eq!(reserve(&pool, &client(2), 1).err(), Some(Full::Site));
            assert!(reserve(&pool, "198.51.100.1", 2).is_ok());
            drop(held);
            assert!(reserve(&pool, &client(2), 1).is_ok());
        }
    }

    #[test]
    fn all_sites_have_a_bound_together() {
        let pool = Arc::default();
        let _reservation: Vec<_> = (0..8)
            .map(|number| reserve(&pool, &format!("198.51.{number}.1"), 2).unwrap())
            .collect();
        assert_eq!(reserve(&pool, "203.0.113.1", 1).err(), Some(Full::Total));
    }

    #[test]
    fn who_holds_nothing_may_hold_more_than_a_part() {
        let pool = Arc::default();
        let mut alone = reserve(&pool, "198.51.100.1", 9).unwrap();
        assert_eq!(alone.grow(1, BOUNDS), Err(Full::Client));
        assert_eq!(reserve(&pool, "198.51.100.2", 1).err(), Some(Full::Site));
        assert!(reserve(&pool, "203.0.113.1", 1).is_ok());
    }

    #[test]
    fn nothing_is_kept_of_those_who_hold_nothing() {
        let pool = Arc::default();
        drop(reserve(&pool, "198.51.100.1", 2).unwrap());
        assert!(reserve(&pool, "198.51.100.1", 0).is_ok());
        let holders = pool.holders();
        let kept = (holders.total, holders.clients.len(), holders.sites.len());
        assert_eq!(kept, (0, 0, 0));
    }
}
