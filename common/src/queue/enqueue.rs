//! Enqueues events.

use std::time::Duration;

use redis::Cmd;

use super::{Cause, Event, Queue, confirms::CONFIRMED};
use crate::{
    failpoint::{self, Failpoint},
    gateway::{Answer, Gateway, Payment},
    order::{OutTradeNo, PAID_TTL},
    redis::WriteError,
};

/// How long `/checkOrder` answers "pending" for an order that is not in Redis after the gateway said that it was paid. By then
/// its event is a code or a dead letter.
const CONFIRMED_TTL: Duration = Duration::from_secs(600);

impl Queue {
    /// Enqueues a notify and extends its order for a late promotion, in one round trip.
    ///
    /// This needs no transaction. Both commands use one connection, the expiry first, so a worker that finds the event
    /// finds the order. If only the expiry is written, the order lives some days longer; the gateway gets no answer and
    /// sends the notify again.
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

    /// Enqueues the gateway's signed answer that an order was paid, like a notify. From then on the payment is safe.
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
        // Sends the script's text, since a write cannot load a script that Redis does not know.
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
