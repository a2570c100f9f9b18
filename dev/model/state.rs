//! All that Redis, MongoDB, PayJS and the worker processes remember, as small as it can be told.

/// An order, by its place in the scenario.
pub(crate) type Order = u8;
/// A payment, by its place in the scenario.
pub(crate) type Payment = u8;

/// What an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cause {
    /// A notify of PayJS, or its answer.
    Report,
    /// A payer; PayJS must be asked.
    Confirm,
}

/// An entry of the stream, and what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    /// Which event: the how many-eth that the api queued.
    pub(crate) event: u8,
    /// How often it came back from the retry set: each time under a new id.
    pub(crate) generation: u8,
    pub(crate) payment: Payment,
    /// The order that it is about: of a confirm the one that the payer named, else the one that was paid.
    pub(crate) order: Order,
    pub(crate) cause: Cause,
    /// Whether its order was missed before.
    pub(crate) missing: bool,
    /// Whether PayJS refused to speak of it before: as often as it may.
    pub(crate) refused: bool,
    /// Whether PayJS said before that it was paid.
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

/// How far a worker is with an event. The next effect is the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// Claimed from somebody dead, not yet handed on.
    Claimed { poisonous: bool },
    /// In the channel to the handlers.
    Waiting,
    /// PayJS is to be asked.
    Asking,
    /// PayJS said that it was paid; the answer is to become an event of its own.
    Answered,
    /// With the order in hand; the code is to be written.
    Ordered,
    /// There is a code, of this payment; the mapping is to be written.
    Coded(Payment),
    /// There was no order; the mapping is to be read.
    Orderless,
    /// To be settled.
    Decided(Outcome),
    /// Half of a settlement that a flaw took apart; this remains to be done.
    Half(Outcome),
}

/// The memory of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    /// It runs, but its heartbeat has stopped.
    pub(crate) stalled: bool,
    /// It was asked to stop.
    pub(crate) stopping: bool,
    pub(crate) held: Vec<(Entry, Step)>,
}

/// A name in the consumer group.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Consumer {
    /// The pending entries of this name, with the number of deliveries.
    pub(crate) pending: Vec<(Entry, u8)>,
    /// Nobody, once the process has died.
    pub(crate) process: Option<Process>,
    /// Whether it is the name that holds what was given back.
    pub(crate) released: bool,
}

/// What may yet go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// Workers that die.
    pub(crate) crashes: u8,
    /// Workers whose heartbeat stops while they run.
    pub(crate) stalls: u8,
    /// Calls to MongoDB or PayJS without an answer, whether they took effect or not.
    pub(crate) outages: u8,
    /// Refusals of PayJS to speak of a payment that it knows of.
    pub(crate) check_refusals: u8,
    /// Answers of Redis that get lost after it did what it was told.
    pub(crate) lost_answers: u8,
    /// Workers that are asked to stop.
    pub(crate) shutdowns: u8,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Notifies that PayJS will still send, by payment.
    pub(crate) notifies: Vec<u8>,
    /// Confirms that payers will still ask for, by their place in the scenario.
    pub(crate) confirms: Vec<bool>,
    /// Payments that were made.
    pub(crate) paid: Vec<bool>,
    /// Payments that PayJS will not mention again: a notify was answered with success, or a check saw them.
    pub(crate) acknowledged: Vec<bool>,
    /// Notifies that a flaw answered before it queued them.
    pub(crate) unqueued: Vec<Payment>,
    /// Events queued so far.
    pub(crate) events: u8,

    /// Orders in the cache.
    pub(crate) orders: Vec<bool>,
    /// Entries that were not yet delivered.
    pub(crate) stream: Vec<Entry>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) retry: Vec<Entry>,
    pub(crate) dead: Vec<(Entry, Reason)>,

    /// Codes, each of an order and from a payment.
    pub(crate) codes: Vec<(Order, Payment)>,
    /// Mappings, likewise.
    pub(crate) mappings: Vec<(Order, Payment)>,

    pub(crate) faults: Faults,
    /// Workers that died or seemed to.
    pub(crate) deaths: u8,
}

impl State {
    /// Makes states that differ only in names the same. A dead consumer with nothing pending is as good as removed.
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

    /// Whether nothing is on its way any more.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.is_empty()
            && self.retry.is_empty()
            && self.unqueued.is_empty()
            && self.consumers.iter().all(|one| one.pending.is_empty())
    }

    /// The entries that are safe in Redis, once for each place where they are.
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

    /// `XACK` and `XDEL`: true when somebody held the entry.
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
