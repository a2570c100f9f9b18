//! Settles events: each transition out of the stream is atomic.

use std::sync::Arc;

use redis::{AsyncCommands, RedisResult};

use super::{Cause, DeadReason, Delivery, Event, GROUP, Outcome, Partition, Queue, event::Fields};
use crate::{
    backoff::Backoff,
    batch::{Batch, Batcher},
    failpoint::{self, Failpoint},
    order::OutTradeNo,
    outage,
    redis::{Script, WriteError},
};

/// How long an order's failure is stored for `/checkOrder`: 30 days.
pub(super) const FAILED_TTL_SECONDS: u64 = 30 * 24 * 3600;
/// Approximate maximum length of the rejected stream.
const LONGEST_REJECTED: usize = 10_000;
/// How often `WAIT` (1.5 s each) may find too few replicas before the server counts as the master anyway. A former master
/// learns of its successor within about 8 s.
const MOST_ALONE: u32 = 8;

/// One acknowledgement in flight.
struct Acknowledgement {
    id: String,
    promoted: Option<OutTradeNo>,
    /// If a confirm is done: the set of its asker, and the order in it.
    confirm: Option<(String, OutTradeNo)>,
}

/// Carries out outcomes, acknowledgements in batches. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Settler {
    queue: Queue,
    /// One for each partition, so that none waits for the master of another.
    acknowledgements: Arc<[Batcher<Acknowledging>]>,
}

impl Settler {
    /// A settler, whose tasks end when its last handle is dropped.
    pub fn start(queue: Queue) -> Self {
        let start = |partition| {
            Batcher::new(Acknowledging {
                queue: queue.clone(),
                partition,
            })
        };
        let acknowledgements = queue.keys.partitions().map(start).collect();
        Self {
            queue,
            acknowledgements,
        }
    }

    /// Carries out an outcome, with retries until Redis accepts it.
    pub async fn settle(&self, delivery: &Delivery, outcome: Outcome) {
        failpoint::reach(Failpoint::SettleBefore);
        self.carry_out(delivery, outcome).await;
        failpoint::reach(Failpoint::SettleAfter);
    }

    async fn carry_out(&self, delivery: &Delivery, outcome: Outcome) {
        let mut backoff = Backoff::reconnect();
        let promoted = match outcome {
            Outcome::Promoted(out_trade_no) => Some(out_trade_no),
            Outcome::Nothing => None,
            other => {
                while let Err(error) = self.queue.leave(delivery, &other).await {
                    outage::report("cannot settle an event, trying again", &error);
                    backoff.wait().await;
                }
                return;
            }
        };
        let acknowledgement = Acknowledgement {
            id: delivery.id.clone(),
            promoted,
            confirm: self.queue.confirm_of(delivery.partition, &delivery.event),
        };
        let acknowledgements = &self.acknowledgements[usize::from(delivery.partition.number())];
        // If the process ends, the event stays pending, and repeating it is harmless.
        let _ = acknowledgements.ask(acknowledgement).await;
    }
}

/// Acknowledges the events of one partition.
struct Acknowledging {
    queue: Queue,
    partition: Partition,
}

impl Batch for Acknowledging {
    type Request = Acknowledgement;
    type Answer = ();

    const LANES: usize = 1;
    const LARGEST: usize = 256;
    const WAITING: usize = 256;

    async fn carry_out(&self, _: usize, batch: Vec<Acknowledgement>) -> Vec<()> {
        let mut backoff = Backoff::reconnect();
        let mut alone = 0;
        while let Err(error) = self.queue.acknowledge(self.partition, &batch).await {
            if matches!(error, WriteError::Replicas { .. }) {
                alone += 1;
            }
            if alone == MOST_ALONE {
                outage::report(
                    "events are done on a master without enough replicas",
                    &error,
                );
                break;
            }
            outage::report("cannot acknowledge events, trying again", &error);
            backoff.wait().await;
        }
        vec![(); batch.len()]
    }
}

impl Queue {
    /// Removes finished events with their orders and failure marks. Waits for replicas: a former master, which has none
    /// any more, would remove an order that the new one keeps.
    async fn acknowledge(
        &self,
        partition: Partition,
        batch: &[Acknowledgement],
    ) -> Result<(), WriteError> {
        let stream = self.keys.notify(partition);
        let ids: Vec<&str> = batch.iter().map(|one| one.id.as_str()).collect();
        let orders: Vec<String> = batch
            .iter()
            .filter_map(|one| one.promoted.as_ref())
            .filter(|number| self.keys.partition(number) == partition)
            .flat_map(|number| [self.keys.order(number), self.keys.failed(number)])
            .collect();
        let confirms: Vec<_> = batch
            .iter()
            .filter_map(|one| one.confirm.as_ref())
            .collect();
        // Sends the script's text, since a write cannot load a script that Redis does not know.
        let mut end = redis::cmd("EVAL");
        end.arg(include_str!("lua/acknowledge.lua"))
            .arg(1 + orders.len() + confirms.len())
            .arg(stream)
            .arg(&orders);
        for (asker, _) in &confirms {
            end.arg(asker);
        }
        end.arg(GROUP).arg(orders.len()).arg(ids.len()).arg(&ids);
        for (_, order) in &confirms {
            end.arg(order.as_str());
        }
        self.redis.write(vec![end]).await.map(drop)
    }

    /// The set that counts a confirm of this asker, and the order in it.
    fn confirm_of(&self, partition: Partition, event: &Event) -> Option<(String, OutTradeNo)> {
        let Cause::Confirm { payment, asker, .. } = &event.cause else {
            return None;
        };
        let set = self.keys.confirms_of(partition, asker);
        Some((set, payment.out_trade_no.clone()))
    }

    /// Parks, dead-letters or rejects an event.
    async fn leave(&self, delivery: &Delivery, outcome: &Outcome) -> RedisResult<()> {
        match outcome {
            Outcome::Promoted(_) | Outcome::Nothing => Ok(()),
            Outcome::Retry { event, delay, .. } => {
                let mut fields = event.owned_fields();
                fields.insert("id".to_owned(), delivery.id.clone());
                let member = serde_json::Value::from_iter(fields).to_string();
                Script::new(include_str!("lua/park.lua"))
                    .key(self.keys.notify(delivery.partition))
                    .key(self.keys.retry(delivery.partition))
                    .arg(GROUP)
                    .arg(&delivery.id)
                    .arg(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
                    .arg(member)
                    .invoke_async(&mut self.connection())
                    .await
            }
            Outcome::Dead { reason, error } => {
                let event = Some(&delivery.event);
                let fields = delivery.event.owned_fields();
                self.bury(
                    delivery.partition,
                    &delivery.id,
                    *reason,
                    error,
                    event,
                    fields,
                )
                .await
            }
            Outcome::Rejected { error } => {
                let mut fields = delivery.event.owned_fields();
                fields.insert("error".to_owned(), error.clone());
                let target = self.keys.rejected(delivery.partition);
                self.move_to(
                    delivery.partition,
                    &delivery.id,
                    &target,
                    LONGEST_REJECTED,
                    None,
                    fields,
                )
                .await
                .map(drop)
            }
        }
    }

    /// Makes an entry a dead letter and stores the failure of its order. A payment that has a dead letter gets no second
    /// one. `event` is none if the entry is no event.
    pub(super) async fn bury(
        &self,
        partition: Partition,
        id: &str,
        reason: DeadReason,
        error: &str,
        event: Option<&Event>,
        mut fields: Fields,
    ) -> RedisResult<()> {
        if let Some((set, order)) = event.and_then(|event| self.confirm_of(partition, event)) {
            let () = self.connection().srem(set, order.as_str()).await?;
        }
        let attempts = fields
            .remove("attempt")
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0)
            + 1;
        fields.insert("attempts".to_owned(), attempts.to_string());
        fields.insert("reason".to_owned(), reason.name().to_owned());
        fields.insert("error".to_owned(), error.to_owned());
        let letter = event.and_then(|event| self.letter_of(event));
        let letter = letter.filter(|(number, _)| self.keys.partition(number) == partition);
        if let Some((number, _)) = &letter {
            fields.insert("out_trade_no".to_owned(), number.to_string());
        }
        let marks = letter.map(|(number, letter)| Marks {
            failed: self.keys.failed(&number),
            letter,
            reason,
        });
        let target = self.keys.dead(partition);
        let is_new = self
            .move_to(partition, id, &target, 0, marks, fields)
            .await?;
        if is_new {
            metrics::counter!("heyi_dead_total", "reason" => reason.name()).increment(1);
        }
        Ok(())
    }

    /// The order of an event, and the mark of its payment's only letter.
    pub(super) fn letter_of(&self, event: &Event) -> Option<(OutTradeNo, String)> {
        if let Some(payment) = event.payment() {
            let letter = self.keys.letter(&payment);
            return Some((payment.out_trade_no, letter));
        }
        // A confirm has a mark of its own: a payment that a payer names must not block the one that the gateway reports.
        let payment = event.named_payment()?;
        let letter = self.keys.named_letter(payment);
        Some((payment.out_trade_no.clone(), letter))
    }

    /// Moves an entry to another stream of at most about `longest` (0: unbounded) and sets the marks of a failure. False
    /// if it was moved before, or its payment has a letter.
    async fn move_to(
        &self,
        partition: Partition,
        id: &str,
        target: &str,
        longest: usize,
        marks: Option<Marks>,
        fields: Fields,
    ) -> RedisResult<bool> {
        let script = Script::new(include_str!("lua/bury.lua"));
        let mut call = script.prepare_invoke();
        call.key(self.keys.notify(partition)).key(target);
        let reason = marks.map_or("", |marks| {
            call.key(marks.failed).key(marks.letter);
            marks.reason.name()
        });
        call.arg(GROUP)
            .arg(id)
            .arg(longest)
            .arg(reason)
            .arg(FAILED_TTL_SECONDS);
        for (name, value) in fields {
            call.arg(name).arg(value);
        }
        call.invoke_async(&mut self.connection()).await
    }
}

/// What is stored about a payment that becomes a dead letter.
struct Marks {
    failed: String,
    letter: String,
    reason: DeadReason,
}
