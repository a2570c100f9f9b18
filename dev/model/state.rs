//! What Redis, MongoDB, PayJS and the workers remember, as small as possible.

/// An order: its index in the scenario.
pub(crate) type Order = u8;
/// A payment: its index in the scenario.
pub(crate) type Payment = u8;

/// The source of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cause {
    /// A notify of PayJS, or its answer.
    Report,
    /// A client that named a payment; PayJS must be asked.
    Confirm,
}

/// An entry of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    /// The number of the event, in the order of enqueueing.
    pub(crate) event: u8,
    /// How often it came back from the retry set, each time with a new id.
    pub(crate) generation: u8,
    pub(crate) payment: Payment,
    /// Its order: the paid one, or the one that a confirm names.
    pub(crate) order: Order,
    pub(crate) cause: Cause,
    /// Whether a lookup of its order failed before.
    pub(crate) missing: bool,
    /// Whether PayJS refused a `check` before. Another refusal ends the confirm.
    pub(crate) refused: bool,
    /// Whether an earlier `check` said paid.
    pub(crate) paid_checks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    PaidTwice,
    OrderMissing,
    Poison,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Outcome {
    Promoted,
    Nothing,
    Retry(Entry),
    Dead(Reason),
}

/// How far a worker is with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// Claimed from a dead worker, not yet delivered.
    Claimed { poisonous: bool },
    /// Waits in the channel to the handlers.
    Waiting,
    /// Next: ask PayJS.
    Asking,
    /// PayJS said paid. Next: enqueue the answer.
    Answered,
    /// The order was read. Next: write the code.
    Ordered,
    /// The code exists, from this payment. Next: write the mapping.
    Coded(Payment),
    /// There is no order. Next: read the mapping.
    Orderless,
    /// Next: settle.
    Decided(Outcome),
    /// The second half of a settlement that a flaw split.
    Half(Outcome),
}

/// The memory of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    /// Whether it runs without a heartbeat.
    pub(crate) stalled: bool,
    /// Whether it is shutting down.
    pub(crate) stopping: bool,
    pub(crate) held: Vec<(Entry, Step)>,
}

/// A consumer of the group.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Consumer {
    /// Its pending entries, each with the number of deliveries.
    pub(crate) pending: Vec<(Entry, u8)>,
    /// None once the process has died.
    pub(crate) process: Option<Process>,
    /// Whether it is the consumer that owns returned events.
    pub(crate) released: bool,
}

/// The faults that may still happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// Worker crashes.
    pub(crate) crashes: u8,
    /// Workers that run without a heartbeat.
    pub(crate) stalls: u8,
    /// Calls to MongoDB or PayJS without an answer, which may have taken effect.
    pub(crate) outages: u8,
    /// `check`s that PayJS refuses although it knows the payment.
    pub(crate) check_refusals: u8,
    /// Commands of Redis that take effect but whose answer is lost.
    pub(crate) lost_answers: u8,
    /// Graceful shutdowns of workers.
    pub(crate) shutdowns: u8,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// How many notifies PayJS will still send, by payment.
    pub(crate) notifies: Vec<u8>,
    /// Whether a confirm is still to come, by its index in the scenario.
    pub(crate) confirms: Vec<bool>,
    /// Whether each payment was made.
    pub(crate) paid: Vec<bool>,
    /// Whether PayJS stopped its notifies: one was acknowledged, or a `check` saw the payment.
    pub(crate) acknowledged: Vec<bool>,
    /// Notifies that a flaw answered before it queued them.
    pub(crate) unqueued: Vec<Payment>,
    /// Events queued so far.
    pub(crate) events: u8,

    /// Whether each order is in Redis.
    pub(crate) orders: Vec<bool>,
    /// Entries that were not delivered yet.
    pub(crate) stream: Vec<Entry>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) retry: Vec<Entry>,
    pub(crate) dead: Vec<(Entry, Reason)>,

    /// Codes: each of an order, from a payment.
    pub(crate) codes: Vec<(Order, Payment)>,
    /// Mappings: each of an order, from a payment.
    pub(crate) mappings: Vec<(Order, Payment)>,

    pub(crate) faults: Faults,
    /// Workers that died or stalled.
    pub(crate) deaths: u8,
}

impl State {
    /// Normalizes the state: names do not matter, nor does a dead consumer without pending events.
    pub(crate) fn normal(mut self) -> Self {
        self.consumers
            .retain(|one| one.process.is_some() || !one.pending.is_empty());
        for consumer in &mut self.consumers {
            consumer.pending.sort_unstable();
            if let Some(process) = &mut consumer.process {
                process.held.sort_unstable();
            }
        }
        self.consumers.sort_unstable();
        self.retry.sort_unstable();
        self.dead.sort_unstable();
        self.codes.sort_unstable();
        self.mappings.sort_unstable();
        self
    }

    /// Whether no event is waiting or in flight.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.is_empty()
            && self.retry.is_empty()
            && self.unqueued.is_empty()
            && self.consumers.iter().all(|one| one.pending.is_empty())
    }

    /// The entries in Redis, once for each place where they are.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Entry> {
        let pending = self.consumers.iter().flat_map(|one| &one.pending);
        self.stream
            .iter()
            .chain(pending.map(|(entry, _)| entry))
            .chain(&self.retry)
            .chain(self.dead.iter().map(|(entry, _)| entry))
    }

    /// The payment from which an order has its mapping.
    pub(crate) fn mapping(&self, order: Order) -> Option<Payment> {
        find(&self.mappings, order)
    }

    /// The payment from which an order has its code.
    pub(crate) fn code(&self, order: Order) -> Option<Payment> {
        find(&self.codes, order)
    }

    /// `XACK` and `XDEL`. True when the entry was pending.
    pub(crate) fn take_out(&mut self, entry: Entry) -> bool {
        let mut held = false;
        for consumer in &mut self.consumers {
            let before = consumer.pending.len();
            consumer.pending.retain(|(one, _)| !is_same(*one, entry));
            held |= consumer.pending.len() < before;
        }
        held
    }

    /// `XADD` of a new event.
    pub(crate) fn queue(&mut self, payment: Payment, order: Order, cause: Cause) {
        self.stream.push(Entry {
            event: self.events,
            generation: 0,
            payment,
            order,
            cause,
            missing: false,
            refused: false,
            paid_checks: false,
        });
        self.events += 1;
    }
}

/// Whether both have the same id in the stream.
pub(crate) fn is_same(one: Entry, other: Entry) -> bool {
    (one.event, one.generation) == (other.event, other.generation)
}

fn find(written: &[(Order, Payment)], order: Order) -> Option<Payment> {
    let mut of_order = written.iter().filter(|(of, _)| *of == order);
    of_order.next().map(|(_, payment)| *payment)
}
