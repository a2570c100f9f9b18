//! Catches panics of third-party code that parses untrusted input.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

/// Runs `work` and returns its panic as an error. The panic is not logged, so that clients cannot flood the log.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                hook(panic);
            }
        }));
    });
    QUIET.set(true);
    // Unwinding drops everything that `work` owns.
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    done
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}
