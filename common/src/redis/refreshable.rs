//! A value that is made when it is first needed, and made anew once it turned out to be stale.

use redis::{RedisError, RedisResult};
use tokio::{sync::Mutex, time::Instant};

/// One maker at a time; those who waited for it get what it got, its failure too.
#[derive(Debug)]
pub(super) struct Refreshable<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    version: u64,
    value: Option<T>,
    failed: Option<(Instant, RedisError)>,
}

/// A value and which one it is.
#[derive(Debug, Clone)]
pub(super) struct Versioned<T> {
    pub(super) version: u64,
    pub(super) value: T,
}

impl<T> Default for Refreshable<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                version: 0,
                value: None,
                failed: None,
            }),
        }
    }
}

impl<T: Clone> State<T> {
    fn made(&self) -> Option<Versioned<T>> {
        self.value.clone().map(|value| Versioned {
            version: self.version,
            value,
        })
    }
}

impl<T: Clone> Refreshable<T> {
    /// The value, made if there is none.
    pub(super) async fn get(
        &self,
        make: impl AsyncFnOnce() -> RedisResult<T>,
    ) -> RedisResult<Versioned<T>> {
        // Nearly always it is there and nobody makes it: this is on the way of every command.
        if let Ok(state) = self.state.try_lock()
            && let Some(made) = state.made()
        {
            return Ok(made);
        }
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(made) = state.made() {
            return Ok(made);
        }
        if let Some((at, error)) = &state.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        match make().await {
            Ok(value) => {
                state.version += 1;
                state.value = Some(value.clone());
                Ok(Versioned {
                    version: state.version,
                    value,
                })
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets the value, unless it is a later one already.
    pub(super) async fn forget(&self, version: u64) {
        let mut state = self.state.lock().await;
        if state.version == version {
            state.value = None;
        }
    }
}
