//! So much drawing at once: it must leave processors to payments.

use std::{num::NonZeroUsize, sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::error::Error;

/// How long a drawing waits for its turn.
const WAIT: Duration = Duration::from_secs(1);

/// Who draws takes one and gives it back.
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    /// Half of the processors, but one at least.
    pub(crate) fn for_this_machine() -> Self {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::new((processors / 2).max(1))
    }

    fn new(number: usize) -> Self {
        Self(Arc::new(Semaphore::new(number)))
    }

    /// Does the work on a thread of its own when it is its turn.
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = timeout(WAIT, self.0.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Error::Busy {
                retry_after: WAIT.as_secs(),
            });
        };
        let done = spawn_blocking(move || {
            // Work goes on when nobody waits for it any more, so the turn is its own.
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| Error::Internal(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use axum::{
        http::{StatusCode, header},
        response::IntoResponse as _,
    };

    use super::*;

    #[tokio::test]
    async fn who_finds_no_turn_is_told_when_to_ask_again() {
        let turns = Turns::new(1);
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
        let turns = Turns::new(1);
        let (end, wait) = channel::<()>();
        let given_up = timeout(Duration::from_millis(10), turns.take(move || wait.recv())).await;
        assert!(given_up.is_err());
        assert!(turns.take(|| ()).await.is_err());
        end.send(()).unwrap();
        assert!(turns.take(|| ()).await.is_ok());
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let turns = Turns::new(1);
        let panicked = turns.take(|| panic!("on purpose")).await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
        assert!(turns.take(|| ()).await.is_ok());
    }
}
