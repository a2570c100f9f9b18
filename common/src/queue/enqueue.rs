//! Into the queue.

use std::time::Duration;

use redis::Cmd;

use super::{Cause, Event, Queue, confirms::CONFIRMED};
use crate::{
    failpoint::{self, Failpoint},
    gateway::{Answer, Gateway, Payment},
    order::{OutTradeNo, PAID_TTL},
    redis::WriteError,
};

/// How long `/checkOrder` says that an order is pending of which the gateway said that it was paid, though it is not in Redis. By
/// then its event is a code or a dead letter.
const CONFIRMED_TTL: Duration = Duration::from_secs(600);

impl Queue {
    /// Queues a notify and lets its order live long enough for a late promotion, in one round trip.
    ///
    /// The two need no transaction: they travel over one connection, the expiry first. A worker that finds the event finds the
    /// order living; an expiry without its event, whatever died between them, is an order that lives for some days more,
    /// and the gateway, which got no answer, sends the notify again.
    pub async fn enqueue_notify(
        &self,
        gateway: Gateway,
        out_trade_no: &OutTradeNo,
        body: String,
    ) -> Result<(), WriteError> {
        failpoint::reach(Failpoint::EnqueueBefore);
        let event = Event::new(Cause::Notify { gateway, body });
        let stream = self.keys.notify(self.keys.partition(out_trade_no));
        let order = self.keys.order(out_trade_no);
        let mut add = redis::cmd("XADD");
        add.arg(stream).arg("*").arg(&event.fields()[..]);
        let live = Cmd::expire(order, PAID_TTL.as_secs().cast_signed());
        self.redis.write(vec![live, add]).await?;
        failpoint::reach(Failpoint::EnqueueAfter);
        Ok(())
    }

    /// Queues the gateway's signed answer that an order was paid, like a notify: from here on the payment is safe.
    pub async fn enqueue_answer(&self, answer: Answer) -> Result<(), WriteError> {
        let Payment {
            gateway,
            out_trade_no,
            ..
        } = &answer.payment;
        let event = Event::new(Cause::Answer {
            gateway: *gateway,
            body: answer.body,
        });
        // With its text, since a write cannot load a script that Redis does not know.
        let mut add = redis::cmd("EVAL");
        add.arg(include_str!("lua/answer.lua"))
            .arg(3)
            .arg(self.keys.order(out_trade_no))
            .arg(self.keys.confirm(out_trade_no))
            .arg(self.keys.notify(self.keys.partition(out_trade_no)))
            .arg(PAID_TTL.as_secs())
            .arg(CONFIRMED)
            .arg(CONFIRMED_TTL.as_secs())
            .arg(&event.fields()[..]);
        self.redis.write(vec![add]).await.map(drop)
    }
}
