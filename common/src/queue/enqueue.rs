//! Into the queue.

use std::time::Duration;

use redis::{RedisError, Script};

use super::{Cause, Event, Queue};
use crate::{
    crash,
    order::{OutTradeNo, PAID_TTL},
};

/// At most one confirm per order in this time.
const CONFIRM_EVERY: Duration = Duration::from_secs(30);
/// How long to wait for replicas: PayJS gives up after 3 s.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(2);

/// Why an event could not be queued durably. It may be in the queue all the same, so sending it again must do
/// no harm, and does none.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// Redis is out of reach or refused.
    #[error("the queue is out of reach")]
    Redis(#[from] RedisError),
    /// Fewer replicas than asked for have the event.
    #[error("only {got} of {wanted} replicas have the event")]
    Replicas {
        /// How many have it.
        got: u32,
        /// How many should.
        wanted: u32,
    },
}

impl Queue {
    /// Queues a notify and lets its order live long enough for a late promotion, in one atomic round trip.
    pub async fn enqueue_notify(
        &self,
        out_trade_no: &OutTradeNo,
        form: String,
    ) -> Result<(), EnqueueError> {
        let event = Event::new(Cause::Notify { form });
        let stream = self.keys.notify(self.keys.partition(out_trade_no));
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline
            .expire(
                self.keys.order(out_trade_no),
                PAID_TTL.as_secs().cast_signed(),
            )
            .ignore();
        pipeline.xadd_map(stream, "*", event.fields()).ignore();
        crash::point("enqueue.before");
        if self.wait_replicas == 0 {
            pipeline.exec_async(&mut self.connection()).await?;
            crash::point("enqueue.after");
            return Ok(());
        }
        // WAIT speaks of the writes of its own connection, and must not hold up others.
        let mut connection = self.redis.blocking(REPLICA_TIMEOUT).await?;
        pipeline.exec_async(&mut connection).await?;
        let got: u32 = redis::cmd("WAIT")
            .arg(self.wait_replicas)
            .arg(REPLICA_TIMEOUT.as_millis().to_string())
            .query_async(&mut connection)
            .await?;
        if got < self.wait_replicas {
            return Err(EnqueueError::Replicas {
                got,
                wanted: self.wait_replicas,
            });
        }
        Ok(())
    }

    /// Queues a confirm, unless one was queued for this order a moment ago. Says whether it did.
    pub async fn enqueue_confirm(
        &self,
        out_trade_no: &OutTradeNo,
        payjs_order_id: &str,
    ) -> Result<bool, EnqueueError> {
        let event = Event::new(Cause::Confirm {
            out_trade_no: out_trade_no.clone(),
            payjs_order_id: payjs_order_id.to_owned(),
        });
        let script = Script::new(include_str!("lua/confirm.lua"));
        let mut call = script.prepare_invoke();
        call.key(self.keys.confirm(out_trade_no))
            .key(self.keys.notify(self.keys.partition(out_trade_no)))
            .arg(CONFIRM_EVERY.as_secs());
        for (name, value) in event.fields() {
            call.arg(name).arg(value);
        }
        Ok(call.invoke_async(&mut self.connection()).await?)
    }
}
