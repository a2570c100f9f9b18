//! So much of something for each client or site, so that one leaves the rest to others.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits of each client. Nothing is kept of clients that hold none and wait for none.
pub(crate) struct Shares {
    each: usize,
    clients: Mutex<HashMap<IpAddr, Users>>,
}

/// The permits of a client, and how many hold one or wait for one.
struct Users {
    number: usize,
    permits: Arc<Semaphore>,
}

/// A permit of a client; dropping it gives it back.
pub(crate) struct Share {
    // Given back before the user leaves.
    _permit: OwnedSemaphorePermit,
    _user: User,
}

struct User {
    shares: Arc<Shares>,
    client: IpAddr,
}

impl Shares {
    /// So many permits for each client.
    pub(crate) fn new(each: usize) -> Arc<Self> {
        Arc::new(Self {
            each,
            clients: Mutex::default(),
        })
    }

    /// Waits for a permit of `client`. Those who wait are served in the order in which they came.
    pub(crate) async fn wait(self: &Arc<Self>, client: IpAddr) -> Option<Share> {
        let (user, permits) = self.enter(client);
        // Nobody closes it.
        let permit = permits.acquire_owned().await.ok()?;
        Some(Share {
            _permit: permit,
            _user: user,
        })
    }

    fn enter(self: &Arc<Self>, client: IpAddr) -> (User, Arc<Semaphore>) {
        let mut clients = self.clients();
        let users = clients.entry(client).or_insert_with(|| Users {
            number: 0,
            permits: Arc::new(Semaphore::new(self.each)),
        });
        users.number += 1;
        let user = User {
            shares: self.clone(),
            client,
        };
        (user, users.permits.clone())
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, Users>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Entry::Occupied(mut users) = self.shares.clients().entry(self.client) {
            users.get_mut().number -= 1;
            if users.get().number == 0 {
                users.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn client(number: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, number])
    }

    #[test]
    fn a_client_waits_for_its_own_and_for_nobody_elses() {
        let shares = Shares::new(2);
        let now = |number| shares.wait(client(number)).now_or_never().flatten();
        let first = now(1).unwrap();
        let _second = now(1).unwrap();
        assert!(now(1).is_none());
        let _other = now(2).unwrap();
        drop(first);
        assert!(now(1).is_some());
    }

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let shares = Shares::new(1);
        let held = shares.wait(client(1)).now_or_never().flatten();
        // Gives up waiting.
        assert!(shares.wait(client(1)).now_or_never().is_none());
        assert_eq!(shares.clients().len(), 1);
        drop(held);
        assert!(shares.clients().is_empty());
    }
}
