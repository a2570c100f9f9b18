//! A value that is made when it is first needed, and refreshed when it is stale.

use redis::{RedisError, RedisResult};
use tokio::{sync::Mutex, time::Instant};

/// Makes one value at a time. All who wait for it share the result, even an error.
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

/// A value with its version.
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
    /// The value, made if none exists.
    pub(super) async fn get(
        &self,
        make: impl AsyncFnOnce() -> RedisResult<T>,
    ) -> RedisResult<Versioned<T>> {
        // The fast path, since every command comes here: nearly always the value exists.
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

    /// Forgets the value, unless it is already a later one.
    pub(super) async fn forget(&self, version: u64) {
        let mut state = self.state.lock().await;
        if state.version == version {
            state.value = None;
        }
    }
}
