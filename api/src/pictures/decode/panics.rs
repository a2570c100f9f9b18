//! Panics in foreign code that reads what strangers sent.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

/// Does `work`, and answers what it unwound with if it did. That is not in the log: it would be filled.
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
    // What `work` owns is gone with it.
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    done
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}
