//! Requests of one moment, carried out together.

use tokio::{sync::mpsc, task::yield_now};

/// Waits until there is something to do, and takes what else there is by then, up to `largest` in all. False when
/// there will be nothing more.
pub(crate) async fn fill<T>(
    batch: &mut Vec<T>,
    queue: &mut mpsc::Receiver<T>,
    largest: usize,
) -> bool {
    if queue.recv_many(batch, largest).await == 0 {
        return false;
    }
    fill_up(batch, queue, largest).await;
    true
}

/// Takes what else there is, up to `largest` in all.
pub(crate) async fn fill_up<T>(batch: &mut Vec<T>, queue: &mut mpsc::Receiver<T>, largest: usize) {
    // Those who are about to ask may as well come along.
    yield_now().await;
    while batch.len() < largest
        && let Ok(one) = queue.try_recv()
    {
        batch.push(one);
    }
}
