//! So much heavy work at once: it must leave processors to payments.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::error::Error;

/// What is told to those who find no turn.
pub(crate) const BUSY: Error = Error::Busy { retry_after: 1 };

/// Who has heavy work takes one and gives it back.
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Turns {
    /// So many, each waited for so long.
    pub(crate) fn new(number: usize, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(number)),
            patience,
        }
    }

    /// Does the work on a thread of its own when it is its turn. What cannot wait any longer is dropped.
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = timeout(self.patience, self.free.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
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

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn who_finds_no_turn_is_told_when_to_ask_again() {
        let turns = Turns::new(1, PATIENCE);
        let (end, wait) = channel::<()>();
        let (start, begun) = tokio::sync::oneshot::channel();
        let long = turns.take(move || {
            start.send(()).unwrap();
            wait.recv().unwrap();
        });
        let meanwhile = async {
            begun.await.unwrap();
            let refused = turns.take(|| ()).await.unwrap_err().into_response();
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
            end.send(()).unwrap();
        };
        let (done, ()) = tokio::join!(long, meanwhile);
        done.unwrap();
        assert_eq!(turns.take(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_turn_is_kept_by_work_that_nobody_waits_for() {
        let turns = Turns::new(1, PATIENCE);
        let (end, wait) = channel::<()>();
        let given_up = timeout(Duration::from_millis(10), turns.take(move || wait.recv())).await;
        assert!(given_up.is_err());
        assert!(turns.take(|| ()).await.is_err());
        end.send(()).unwrap();
        assert!(turns.take(|| ()).await.is_ok());
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let turns = Turns::new(1, PATIENCE);
        let panicked = turns.take(|| panic!("on purpose")).await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
        assert!(turns.take(|| ()).await.is_ok());
    }
}
