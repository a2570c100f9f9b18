//! Permits for each client or site, so that one cannot take all of them.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits by client. Clients that neither hold a permit nor wait for one have no entry.
pub(crate) struct Shares {
    each: usize,
    clients: Mutex<HashMap<IpAddr, Users>>,
}

/// The permits of a client, and the number of its holders and waiters.
struct Users {
    number: usize,
    permits: Arc<Semaphore>,
}

/// A permit of a client; dropping it releases it.
pub(crate) struct Share {
    // Released before the user is removed.
    _permit: OwnedSemaphorePermit,
    _user: User,
}

struct User {
    shares: Arc<Shares>,
    client: IpAddr,
}

impl Shares {
    /// Creates `each` permits for each client.
    pub(crate) fn new(each: usize) -> Arc<Self> {
        Arc::new(Self {
            each,
            clients: Mutex::default(),
        })
    }

    /// Waits for a permit of `client`, first come first served.
    pub(crate) async fn wait(self: &Arc<Self>, client: IpAddr) -> Option<Share> {
        let (user, permits) = self.enter(client);
        // The semaphore is never closed.
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
        // Cancels the wait.
        assert!(shares.wait(client(1)).now_or_never().is_none());
        assert_eq!(shares.clients().len(), 1);
        drop(held);
        assert!(shares.clients().is_empty());
    }
}
