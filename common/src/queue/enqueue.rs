//! Into the queue.

use std::time::Duration;

use redis::{Cmd, Value, from_redis_value};

use super::{Cause, Event, Queue};
use crate::{
    crash::{self, Point},
    order::{OutTradeNo, PAID_TTL},
    redis::WriteError,
};

/// At most one confirm per order in this time.
const CONFIRM_EVERY: Duration = Duration::from_secs(30);

/// Arguments of the command that adds a notify, and their length beside the form's. More only costs an allocation.
const ARGUMENTS: usize = 9;
const BESIDE_FORM: usize = 128;

impl Queue {
    /// Queues a notify and lets its order live long enough for a late promotion, in one round trip.
    ///
    /// The two need no transaction: they travel over one connection, the expiry first. Whoever finds the event finds the
    /// order living; an expiry without its event, whatever died between them, is an order that lives for some days more,
    /// and PayJS, which got no answer, sends the notify again.
    pub async fn enqueue_notify(
        &self,
        out_trade_no: &OutTradeNo,
        form: String,
    ) -> Result<(), WriteError> {
        let length = form.len() + BESIDE_FORM;
        let event = Event::new(Cause::Notify { form });
        let stream = self.keys.notify(self.keys.partition(out_trade_no));
        let order = self.keys.order(out_trade_no);
        let mut add = Cmd::with_capacity(ARGUMENTS, length);
        add.arg("XADD")
            .arg(stream)
            .arg("*")
            .arg(&event.fields()[..]);
        let write = vec![Cmd::expire(order, PAID_TTL.as_secs().cast_signed()), add];
        crash::point(Point::EnqueueBefore);
        self.redis.write(write).await?;
        crash::point(Point::EnqueueAfter);
        Ok(())
    }

    /// Queues a confirm, unless one was queued for this order a moment ago. Says whether it did.
    pub async fn enqueue_confirm(
        &self,
        out_trade_no: &OutTradeNo,
        payjs_order_id: &str,
    ) -> Result<bool, WriteError> {
        let event = Event::new(Cause::Confirm {
            out_trade_no: out_trade_no.clone(),
            payjs_order_id: payjs_order_id.to_owned(),
        });
        // With its text, since a write cannot load a script that Redis does not know.
        let mut write = redis::cmd("EVAL");
        write
            .arg(include_str!("lua/confirm.lua"))
            .arg(2)
            .arg(self.keys.confirm(out_trade_no))
            .arg(self.keys.notify(self.keys.partition(out_trade_no)))
            .arg(CONFIRM_EVERY.as_secs());
        for (name, value) in event.fields() {
            write.arg(name).arg(value);
        }
        crash::point(Point::ConfirmBefore);
        let mut answers = self.redis.write(vec![write]).await?;
        crash::point(Point::ConfirmAfter);
        let queued = answers.pop().unwrap_or(Value::Nil);
        Ok(from_redis_value(queued).map_err(redis::RedisError::from)?)
    }
}
