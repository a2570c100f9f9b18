//! Into the queue.

use std::time::Duration;

use redis::{Pipeline, RedisError, Script, Value};

use super::{Cause, Event, Queue};
use crate::{
    crash,
    order::{OutTradeNo, PAID_TTL},
};

/// At most one confirm per order in this time.
const CONFIRM_EVERY: Duration = Duration::from_secs(30);
/// How long to wait for replicas: PayJS gives up after 3 s.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(1500);

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
        let mut write = redis::pipe();
        write
            .cmd("MULTI")
            .expire(
                self.keys.order(out_trade_no),
                PAID_TTL.as_secs().cast_signed(),
            )
            .xadd_map(stream, "*", event.fields())
            .cmd("EXEC");
        crash::point("enqueue.before");
        self.carry_out(write).await?;
        crash::point("enqueue.after");
        Ok(())
    }

    /// Sends a transaction; where replicas are to have it, in one go with the wait for them. `WAIT` speaks of the
    /// writes of its own connection only, so the two must never travel on different ones.
    async fn carry_out(&self, mut write: Pipeline) -> Result<(), EnqueueError> {
        if self.wait_replicas == 0 {
            let _: Vec<Value> = write.query_async(&mut self.connection()).await?;
            return Ok(());
        }
        write
            .cmd("WAIT")
            .arg(self.wait_replicas)
            .arg(REPLICA_TIMEOUT.as_millis().to_string());
        let answers: Vec<Value> = write.query_async(&mut self.redis.waiting()).await?;
        let got = match answers.last() {
            Some(Value::Int(replicas)) => u32::try_from(*replicas).unwrap_or(0),
            _ => 0,
        };
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
