//! The queue as an apalis backend. Readers send tasks over a channel, and a layer of the backend settles each task with
//! the outcome that its handler returned.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    error::{AbortError, BoxDynError},
    task::Task,
    worker::context::WorkerContext,
};
use tokio::sync::mpsc;
use tower::{Layer, Service};

use super::{Consumer, DeadReason, Delivery, Outcome, settle::Settler};
use crate::outage;

/// Maps a failure of the handler itself, e.g. a timeout, to an outcome.
pub type OnError = fn(&Delivery, &BoxDynError) -> Outcome;

/// Feeds an apalis worker from the readers of one [`Consumer`].
pub struct StreamBackend {
    consumer: Consumer,
    deliveries: mpsc::Receiver<Delivery>,
    on_error: OnError,
    release: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl StreamBackend {
    /// A backend over what the readers of `consumer` deliver.
    pub fn new(
        consumer: Consumer,
        deliveries: mpsc::Receiver<Delivery>,
        on_error: OnError,
    ) -> Self {
        Self {
            consumer,
            deliveries,
            on_error,
            release: None,
        }
    }
}

impl Backend for StreamBackend {
    type Task = Task<Delivery>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<Delivery>, Infallible>>> {
        self.deliveries
            .poll_recv(cx)
            .map(|delivery| delivery.map(|delivery| Ok(Task::new(delivery))))
    }

    /// Releases the events that were read ahead. apalis calls this when no handler runs any more.
    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        let consumer = self.consumer.clone();
        let release = self.release.get_or_insert_with(|| {
            Box::pin(async move {
                if let Err(error) = consumer.release().await {
                    outage::report(
                        "cannot give events back; they are taken over within seconds",
                        &error,
                    );
                }
            })
        });
        ready!(release.as_mut().poll(cx));
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for StreamBackend {
    type Args = Delivery;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = SettleLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> SettleLayer {
        SettleLayer {
            consumer: self.consumer.clone(),
            settler: Settler::start(self.consumer.queue().clone()),
            on_error: self.on_error,
        }
    }
}

/// Runs each task in its own tokio task and settles its event.
#[derive(Clone)]
pub struct SettleLayer {
    consumer: Consumer,
    settler: Settler,
    on_error: OnError,
}

impl<S> Layer<S> for SettleLayer {
    type Service = SettleService<S>;

    fn layer(&self, inner: S) -> SettleService<S> {
        SettleService {
            inner,
            settle: self.clone(),
        }
    }
}

/// See [`SettleLayer`].
#[derive(Clone)]
pub struct SettleService<S> {
    inner: S,
    settle: SettleLayer,
}

impl<S> Service<Task<Delivery>> for SettleService<S>
where
    S: Service<Task<Delivery>, Response = Outcome>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxDynError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Delivery>) -> Self::Future {
        let delivery = task.args.clone();
        let SettleLayer {
            consumer,
            settler,
            on_error,
        } = self.settle.clone();
        let handler = self.inner.call(task);
        let run = async move {
            let outcome = match handler.await.map_err(Into::into) {
                Ok(outcome) => outcome,
                Err(error) if error.is::<AbortError>() => Outcome::Dead {
                    reason: DeadReason::Poison,
                    error: format!("the handler panicked: {error}"),
                },
                Err(error) => on_error(&delivery, &error),
            };
            count(&delivery, &outcome);
            settler.settle(&delivery, outcome).await;
            consumer.in_flight.remove(delivery.partition, &delivery.id);
        };
        // Its own task, so that handlers use every core.
        let run = tokio::spawn(run);
        Box::pin(async move { run.await.map_err(Into::into) })
    }
}

#[expect(clippy::cast_precision_loss, reason = "times in ms are far below 2^52")]
fn count(delivery: &Delivery, outcome: &Outcome) {
    metrics::counter!("heyi_events_total", "outcome" => outcome.name()).increment(1);
    if let Outcome::Promoted(_) = outcome {
        let now = jiff::Timestamp::now().as_millisecond();
        let took = now.saturating_sub(delivery.event.received_at).max(0);
        metrics::histogram!("heyi_promotion_seconds").record(took as f64 / 1000.0);
        metrics::gauge!("heyi_last_promotion_timestamp_seconds").set(now as f64 / 1000.0);
    }
}
