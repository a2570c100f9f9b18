//! A model of the queue's protocol. Every reachable state is checked.
//!
//! The model needs no server. Its state is what Redis, MongoDB, PayJS and two workers remember. It runs their atomic
//! steps in every possible order, with crashes and lost answers at every step. Each state must keep the promise, and
//! from each state a quiet one must be reachable without another fault.
//!
//! | in the model | in the code |
//! |---|---|
//! | `Action::Notify` | `queue/enqueue.rs`: two commands in one round trip; the first alone does no harm. An api that dies before them never got the notify |
//! | `Confirm` | `queue/confirms.rs`: the confirm waits for its turn and gets it |
//! | `Read`, `RecoverLost` | `queue/consume.rs`, `queue/takeover.rs` |
//! | `Proceed` | `program.rs`: each effect of `promote.rs` and `confirm.rs` (`Answered` is `enqueue_answer`), then the settlement: `queue/settle.rs`, `park.lua`, `bury.lua` |
//! | `Fail`, `SettleUnheard` | MongoDB, PayJS or Redis does not answer: `TransientError`, the loops in `Settler` |
//! | `Refuse` | PayJS's refusals in `confirm.rs`: the first is retried, the second ends a confirm |
//! | `MoveDue` | `move_due.lua`, one event at a time and in any order |
//! | `TakeOver`, then `Claimed` | `queue/takeover.rs`: the claim, then delivery or a dead letter |
//! | `Stop`, `GiveBack`, `Leave` | `Consumer::release` |
//! | `Crash` | also the end of the heartbeats, since a takeover may follow at any time |
//! | `Stall`, `Recover` | a frozen worker: its events are taken over while it handles them |
//!
//! Left out, because they only remove behaviour: waits, rates, turns, the closed admission gate, the bounds of slices,
//! batches and confirms, and the rule that an event of two dead workers is delivered alone. Left out, because the
//! architecture does not promise them: Redis losing what it acknowledged, and an order that expires before its
//! promotion.
//!
//! A debug build allows fewer faults than `cargo test --release -p heyi-model`, which takes half a minute.
//!
//! The explorer is our own. The library `stateright` keeps hashes of states only, cannot ask whether a quiet state is
//! reachable from every state, and depends on an HTTP server.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "shows how much was explored and the traces"
)]

mod actions;
mod explorer;
mod life;
mod program;
mod promise;
mod scenario;
mod state;
mod step;

use self::{
    explorer::{Explored, explore},
    scenario::{Confirm, Flaw, Paid, Scenario},
    state::Faults,
};

/// Explores a scenario in which every promise must hold.
fn holds(name: &str, scenario: &Scenario) {
    let Explored {
        states,
        steps,
        broken,
    } = explore(scenario);
    if let Some(broken) = broken {
        panic!("{name}: {}\n{}", broken.promise, broken.trace);
    }
    println!("{name}: {states} states, {steps} steps");
}

/// Explores a scenario with a flaw, which must be found.
fn finds(flaw: Flaw, promise: &str, scenario: Scenario) {
    let flawed = Scenario {
        flaw: Some(flaw),
        ..scenario
    };
    let broken = explore(&flawed).broken;
    let broken = broken.unwrap_or_else(|| panic!("{flaw:?} goes unnoticed"));
    println!("{flaw:?}: {}\n{}", broken.promise, broken.trace);
    assert!(
        broken.promise.starts_with(promise),
        "{flaw:?}: {} instead of {promise}",
        broken.promise
    );
}

fn paid(order: u8, notifies: u8) -> Paid {
    Paid { order, notifies }
}

/// One order whose notify repeats, and which a second person pays too.
fn paid_twice(faults: Faults) -> Scenario {
    Scenario {
        orders: vec![true],
        payments: vec![paid(0, 2), paid(0, 1)],
        faults,
        ..Scenario::default()
    }
}

/// One order with its notify.
fn one_order(faults: Faults) -> Scenario {
    Scenario {
        orders: vec![true],
        payments: vec![paid(0, 1)],
        faults,
        ..Scenario::default()
    }
}

/// One order that was paid twice. A confirm names the second payment.
fn confirmed(faults: Faults) -> Scenario {
    Scenario {
        orders: vec![true],
        payments: vec![paid(0, 1), paid(0, 1)],
        confirms: vec![Confirm {
            asked: 0,
            payment: 1,
        }],
        faults,
        ..Scenario::default()
    }
}

/// A confirm of one order that names the payment of another.
fn crossed(faults: Faults) -> Scenario {
    Scenario {
        orders: vec![true, true],
        payments: vec![paid(0, 1), paid(1, 1)],
        confirms: vec![Confirm {
            asked: 0,
            payment: 1,
        }],
        faults,
        ..Scenario::default()
    }
}

const NONE: Faults = Faults {
    crashes: 0,
    stalls: 0,
    outages: 0,
    check_refusals: 0,
    lost_answers: 0,
    shutdowns: 0,
};

/// One more fault of each kind in a release build.
const ONE_MORE: u8 = if cfg!(debug_assertions) { 0 } else { 1 };

#[test]
fn repeats_and_a_second_payment() {
    let crashes = Faults {
        crashes: 1 + ONE_MORE,
        ..NONE
    };
    holds("crashes", &paid_twice(crashes));
    let outage = Faults {
        crashes: ONE_MORE,
        outages: 1,
        ..NONE
    };
    holds("outage", &paid_twice(outage));
    let stall = Faults { stalls: 1, ..NONE };
    holds("stall", &paid_twice(stall));
}

#[test]
fn a_second_payment_while_all_goes_wrong() {
    let scenario = |faults| Scenario {
        orders: vec![true],
        payments: vec![paid(0, 1), paid(0, 1)],
        faults,
        ..Scenario::default()
    };
    let deaths = Faults {
        crashes: 2,
        outages: ONE_MORE,
        ..NONE
    };
    holds("deaths", &scenario(deaths));
    let silence = Faults {
        crashes: 1,
        outages: 1,
        lost_answers: 1,
        ..NONE
    };
    holds("silence", &scenario(silence));
    let orderly = Faults {
        stalls: ONE_MORE,
        outages: 1,
        shutdowns: 1,
        ..NONE
    };
    holds("orderly", &scenario(orderly));
}

#[test]
fn a_lost_order_beside_others() {
    let scenario = Scenario {
        orders: vec![true, false],
        payments: vec![paid(0, 2), paid(1, 1)],
        faults: Faults {
            crashes: 1 + ONE_MORE,
            ..NONE
        },
        ..Scenario::default()
    };
    holds("a lost order", &scenario);
}

#[test]
fn one_event_through_everything() {
    let deaths = Faults {
        crashes: 3 + ONE_MORE,
        outages: 1,
        lost_answers: 1,
        ..NONE
    };
    holds("one event, deaths", &one_order(deaths));
    let everything = Faults {
        crashes: 1 + ONE_MORE,
        stalls: 1,
        outages: 1,
        check_refusals: 0,
        lost_answers: 1,
        shutdowns: 1,
    };
    holds("one event, everything", &one_order(everything));
    let releases = Faults {
        crashes: 1,
        shutdowns: 2,
        ..NONE
    };
    holds("one event, releases", &one_order(releases));
}

#[test]
fn confirms_of_second_and_of_foreign_payments() {
    let crash = Faults {
        crashes: 1,
        outages: ONE_MORE,
        ..NONE
    };
    let outage = Faults { outages: 1, ..NONE };
    let refusal = Faults {
        outages: 1 + ONE_MORE,
        check_refusals: 1,
        ..NONE
    };
    for faults in [crash, outage, refusal] {
        holds("confirmed", &confirmed(faults));
        holds("crossed", &crossed(faults));
    }
}

#[test]
fn flaws_are_found_out() {
    let crash = Faults { crashes: 1, ..NONE };
    let outage = Faults {
        crashes: 1,
        outages: 1,
        ..NONE
    };
    let stall = Faults { stalls: 1, ..NONE };
    let refusal = Faults {
        outages: 1,
        check_refusals: 1,
        ..NONE
    };
    let releases = Faults {
        crashes: 1,
        shutdowns: 2,
        ..NONE
    };
    finds(Flaw::ParksInTwoSteps, "lost", one_order(outage));
    finds(Flaw::BuriesInTwoSteps, "double", paid_twice(crash));
    finds(Flaw::SettlesBeforeMapping, "lost", one_order(crash));
    finds(Flaw::AnswersBeforeQueueing, "lost", one_order(NONE));
    finds(Flaw::RemovesWithoutLooking, "lost", one_order(stall));
    finds(Flaw::TrustsAnyMapping, "lost", confirmed(crash));
    finds(Flaw::PromotesWhatWasAsked, "wrong", crossed(NONE));
    finds(Flaw::CountsOutagesAsRefusals, "lost", confirmed(refusal));
    finds(Flaw::EndsConfirmsFirst, "lost", crossed(crash));
    finds(Flaw::RepeatsLetters, "double", confirmed(NONE));
    finds(Flaw::CountsReleases, "unexplained", one_order(releases));
}
