//! Limits concurrent CPU-heavy work. Payments keep processors, and no client or site can take all permits.

use std::{net::IpAddr, sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::http::{client_ip::site, error::Error, shares::Shares};

/// The response when no permit becomes free.
pub(crate) const BUSY: Error = Error::Busy { retry_after: 1 };

/// Permits for CPU-heavy work.
pub(crate) struct CpuPermits {
    free: Arc<Semaphore>,
    /// A client queues for its own permits first, then for those of its site. So the queue has few waiters of each
    /// site, however many requests it sends.
    of_clients: Arc<Shares>,
    of_sites: Arc<Shares>,
    patience: Duration,
}

impl CpuPermits {
    /// Creates `number` permits; `patience` is the timeout of the wait for one.
    pub(crate) fn new(number: usize, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(number)),
            // One client or site may use half of the permits.
            of_clients: Shares::new(number.div_ceil(2)),
            of_sites: Shares::new(number.div_ceil(2)),
            patience,
        }
    }

    /// Waits for a permit and does the work on a blocking thread. Fails if no permit becomes free in time.
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
            // The work continues even if the request is cancelled, so it owns the permit.
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
        let permits = CpuPermits::new(1, PATIENCE);
        let (end, wait) = channel::<()>();
        let (start, begun) = tokio::sync::oneshot::channel();
        let long = permits.take(CLIENT, move || {
            start.send(()).unwrap();
            wait.recv().unwrap();
        });
        let meanwhile = async {
            begun.await.unwrap();
            let refused = permits
                .take(CLIENT, || ())
                .await
                .unwrap_err()
                .into_response();
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
            end.send(()).unwrap();
        };
        let (done, ()) = tokio::join!(long, meanwhile);
        done.unwrap();
        assert_eq!(permits.take(CLIENT, || 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_turn_is_kept_by_work_that_nobody_waits_for() {
        let permits = CpuPermits::new(1, PATIENCE);
        let (end, wait) = channel::<()>();
        let given_up = timeout(
            Duration::from_millis(10),
            permits.take(CLIENT, move || wait.recv()),
        )
        .await;
        assert!(given_up.is_err());
        assert!(permits.take(CLIENT, || ()).await.is_err());
        end.send(()).unwrap();
        assert!(permits.take(CLIENT, || ()).await.is_ok());
    }

    #[tokio::test]
    async fn another_client_is_next_however_many_pieces_of_work_one_has() {
        let permits = CpuPermits::new(1, Duration::from_secs(60));
        let (end, wait) = channel::<()>();
        let (done, order) = channel();
        let work = |client: u8| {
            let done = done.clone();
            permits.take(IpAddr::from([198, 51, 100, client]), move || {
                done.send(client)
            })
        };
        let first = permits.take(IpAddr::from([198, 51, 100, 1]), move || wait.recv());
        let mut waiting = vec![first.map(drop).boxed_local()];
        for client in [1, 1, 1, 2] {
            waiting.push(work(client).map(drop).boxed_local());
        }
        let mut waiting = join_all(waiting);
        // All have queued by now.
        assert!((&mut waiting).now_or_never().is_none());
        end.send(()).unwrap();
        waiting.await;
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let permits = CpuPermits::new(1, PATIENCE);
        let panicked = permits.take(CLIENT, || panic!("on purpose")).await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
        assert!(permits.take(CLIENT, || ()).await.is_ok());
    }
}
