//! Requests of one moment, carried out together.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::yield_now,
    time::{Instant, timeout_at},
};

/// How requests are carried out together.
pub(crate) trait Batch: Send + Sync + 'static {
    /// What is asked.
    type Request: Send;
    /// What each who asked is answered.
    type Answer: Send;

    /// Batches under way at the same time; meanwhile the next one fills.
    const LANES: usize;
    /// Requests of one batch at most.
    const LARGEST: usize;
    /// Requests that wait for a batch. When there are so many, senders wait.
    const WAITING: usize;
    /// Whether batches wait for more requests.
    const PACE: Option<Pace> = None;

    /// Carries out a batch: one answer for each request, in their order.
    fn carry_out(
        &self,
        lane: usize,
        requests: Vec<Self::Request>,
    ) -> impl Future<Output = Vec<Self::Answer>> + Send;
}

/// The least time from one batch to the next, unless `enough` requests wait.
pub(crate) struct Pace {
    pub(crate) time: Duration,
    pub(crate) enough: usize,
}

/// The runtime of the lanes is ending.
#[derive(Debug, thiserror::Error)]
#[error("this process is ending")]
pub(crate) struct Ending;

/// Gathers requests into batches. A request that comes alone waits for nothing but the [`Pace`]. Cheap to clone.
///
/// Its lanes start with the first request, in the runtime of that request, and end with the last handle.
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

    /// Has a request carried out with others.
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

/// Not what is asked, which may be secret.
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
    /// The next batch; none when there will be no more requests.
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
        // Those who are about to ask may come along.
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
            // Nobody waits any more when the client has gone, or the handler took too long.
            let _ = done.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    /// Answers each request with itself, and the size of its batch.
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
