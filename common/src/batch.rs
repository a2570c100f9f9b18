//! Batches concurrent requests.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::yield_now,
    time::{Instant, timeout_at},
};

/// A kind of batch.
pub(crate) trait Batch: Send + Sync + 'static {
    /// A request.
    type Request: Send;
    /// The answer to one request.
    type Answer: Send;

    /// Batches in flight at the same time; meanwhile the next one fills.
    const LANES: usize;
    /// Maximum number of requests in one batch.
    const LARGEST: usize;
    /// Capacity of the queue of requests. When it is full, senders wait.
    const WAITING: usize;
    /// Whether batches are delayed to collect more requests.
    const PACE: Option<Pace> = None;

    /// Carries out a batch. Returns one answer per request, in their order.
    fn carry_out(
        &self,
        lane: usize,
        requests: Vec<Self::Request>,
    ) -> impl Future<Output = Vec<Self::Answer>> + Send;
}

/// The minimum time between two batches, unless `enough` requests wait.
pub(crate) struct Pace {
    pub(crate) time: Duration,
    pub(crate) enough: usize,
}

/// The error after the runtime of the lanes has ended.
#[derive(Debug, thiserror::Error)]
#[error("this process is ending")]
pub(crate) struct Ending;

/// Collects requests into batches. A single request is delayed only by the [`Pace`]. Cheap to clone.
///
/// The lanes start with the first request, in its runtime, and end when the last handle is dropped.
pub(crate) struct Batcher<B: Batch> {
    batch: Arc<B>,
    queue: Arc<OnceLock<mpsc::Sender<Asked<B>>>>,
}

type Asked<B> = (<B as Batch>::Request, oneshot::Sender<<B as Batch>::Answer>);

impl<B: Batch> Batcher<B> {
    pub(crate) fn new(batch: B) -> Self {
        Self {
            batch: Arc::new(batch),
            queue: Arc::default(),
        }
    }

    /// Carries out a request in a batch.
    pub(crate) async fn ask(&self, request: B::Request) -> Result<B::Answer, Ending> {
        let (done, answer) = oneshot::channel();
        let queue = self.queue.get_or_init(|| self.start());
        queue.send((request, done)).await.map_err(|_| Ending)?;
        answer.await.map_err(|_| Ending)
    }

    fn start(&self) -> mpsc::Sender<Asked<B>> {
        let (sender, asked) = mpsc::channel(B::WAITING);
        let queue = Arc::new(Mutex::new(Queue::<B> {
            asked,
            next: Instant::now(),
        }));
        for lane in 0..B::LANES {
            tokio::spawn(run(self.batch.clone(), lane, queue.clone()));
        }
        sender
    }
}

impl<B: Batch> Clone for Batcher<B> {
    fn clone(&self) -> Self {
        Self {
            batch: self.batch.clone(),
            queue: self.queue.clone(),
        }
    }
}

/// Omits the requests, which may be secret.
impl<B: Batch> std::fmt::Debug for Batcher<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batcher").finish_non_exhaustive()
    }
}

/// Requests that wait for a batch.
struct Queue<B: Batch> {
    asked: mpsc::Receiver<Asked<B>>,
    /// When the next batch may begin.
    next: Instant,
}

impl<B: Batch> Queue<B> {
    /// The next batch; none if no more requests can come.
    async fn batch(&mut self) -> Option<Vec<Asked<B>>> {
        let mut batch = Vec::with_capacity(B::LARGEST);
        batch.push(self.asked.recv().await?);
        if let Some(pace) = B::PACE {
            while batch.len() < pace.enough
                && let Ok(Some(another)) = timeout_at(self.next, self.asked.recv()).await
            {
                batch.push(another);
            }
            self.next = Instant::now() + pace.time;
        }
        // Lets other tasks add their requests.
        yield_now().await;
        while batch.len() < B::LARGEST
            && let Ok(another) = self.asked.try_recv()
        {
            batch.push(another);
        }
        Some(batch)
    }
}

async fn run<B: Batch>(batch: Arc<B>, lane: usize, queue: Arc<Mutex<Queue<B>>>) {
    loop {
        let asked = queue.lock().await.batch().await;
        let Some(asked) = asked else {
            return;
        };
        let (requests, waiting): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        let answers = batch.carry_out(lane, requests).await;
        for (done, answer) in waiting.into_iter().zip(answers) {
            // The receiver is gone if the client disconnected or the handler timed out.
            let _ = done.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    /// Answers each request with itself and the size of its batch.
    struct Echo;

    impl Batch for Echo {
        type Request = usize;
        type Answer = (usize, usize);

        const LANES: usize = 1;
        const LARGEST: usize = 4;
        const WAITING: usize = 8;

        async fn carry_out(&self, _: usize, requests: Vec<usize>) -> Vec<(usize, usize)> {
            let count = requests.len();
            requests.into_iter().map(|one| (one, count)).collect()
        }
    }

    #[tokio::test]
    async fn each_request_gets_its_own_answer_and_no_batch_is_too_large() {
        let batcher = Batcher::new(Echo);
        let asked = (0..10).map(|request| batcher.ask(request));
        let answers = join_all(asked).await;
        for (request, answer) in answers.into_iter().enumerate() {
            let (echoed, count) = answer.unwrap();
            assert_eq!(echoed, request);
            assert!((1..=4).contains(&count), "{count}");
        }
        assert_eq!(batcher.ask(7).await.unwrap(), (7, 1), "alone");
    }
}
