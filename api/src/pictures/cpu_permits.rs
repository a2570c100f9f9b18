//! So much heavy work at the same time: it must leave processors to payments, and each client and each site must leave turns to others.

use std::{net::IpAddr, sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::http::{client_ip::site, error::Error, shares::Shares};

/// What is told to those who find no turn.
pub(crate) const BUSY: Error = Error::Busy { retry_after: 1 };

/// Who has heavy work takes one and gives it back.
pub(crate) struct CpuPermits {
    free: Arc<Semaphore>,
    /// A client waits for its own work first, then for that of its site. So those who wait for a turn are of different
    /// sites: the next one waits for one piece of work of each, however many they have asked for.
    of_clients: Arc<Shares>,
    of_sites: Arc<Shares>,
    patience: Duration,
}

impl CpuPermits {
    /// So many, each waited for so long.
    pub(crate) fn new(number: usize, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(number)),
            // One alone may have half of the turns.
            of_clients: Shares::new(number.div_ceil(2)),
            of_sites: Shares::new(number.div_ceil(2)),
            patience,
        }
    }

    /// Does the work on a thread of its own when it is its turn. What cannot wait any longer is dropped.
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        client: IpAddr,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = async {
            let of_client = self.of_clients.wait(client).await?;
            let of_site = self.of_sites.wait(site(client)).await?;
            let turn = self.free.clone().acquire_owned().await.ok()?;
            Some((turn, of_site, of_client))
        };
        let Ok(Some(turn)) = timeout(self.patience, turn).await else {
            return Err(BUSY);
        };
        let done = spawn_blocking(move || {
            // Work goes on when nobody waits for it any more, so the turn is its own.
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| Error::Internal(error.into()))
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.free.available_permits()
    }
}

/// The processors of this machine.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use axum::{
        http::{StatusCode, header},
        response::IntoResponse as _,
    };
    use futures::{FutureExt, future::join_all};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);
    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn who_finds_no_turn_is_told_when_to_ask_again() {
        let turns = CpuPermits::new(1, PATIENCE);
        let (end, wait) = channel::<()>();
        let (start, begun) = tokio::sync::oneshot::channel();
        let long = turns.take(CLIENT, move || {
            start.send(()).unwrap();
            wait.recv().unwrap();
        });
        let meanwhile = async {
            begun.await.unwrap();
            let refused = turns.take(CLIENT, || ()).await.unwrap_err().into_response();
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
            end.send(()).unwrap();
        };
        let (done, ()) = tokio::join!(long, meanwhile);
        done.unwrap();
        assert_eq!(turns.take(CLIENT, || 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_turn_is_kept_by_work_that_nobody_waits_for() {
        let turns = CpuPermits::new(1, PATIENCE);
        let (end, wait) = channel::<()>();
        let given_up = timeout(
            Duration::from_millis(10),
            turns.take(CLIENT, move || wait.recv()),
        )
        .await;
        assert!(given_up.is_err());
        assert!(turns.take(CLIENT, || ()).await.is_err());
        end.send(()).unwrap();
        assert!(turns.take(CLIENT, || ()).await.is_ok());
    }

    #[tokio::test]
    async fn another_client_is_next_however_many_pieces_of_work_one_has() {
        let turns = CpuPermits::new(1, Duration::from_secs(60));
        let (end, wait) = channel::<()>();
        let (done, order) = channel();
        let work = |client: u8| {
            let done = done.clone();
            turns.take(IpAddr::from([198, 51, 100, client]), move || {
                done.send(client)
            })
        };
        let first = turns.take(IpAddr::from([198, 51, 100, 1]), move || wait.recv());
        let mut waiting = vec![first.map(drop).boxed_local()];
        for client in [1, 1, 1, 2] {
            waiting.push(work(client).map(drop).boxed_local());
        }
        let mut waiting = join_all(waiting);
        // Each has been asked for by then.
        assert!((&mut waiting).now_or_never().is_none());
        end.send(()).unwrap();
        waiting.await;
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let turns = CpuPermits::new(1, PATIENCE);
        let panicked = turns.take(CLIENT, || panic!("on purpose")).await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
        assert!(turns.take(CLIENT, || ()).await.is_ok());
    }
}
