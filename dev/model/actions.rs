//! Everything that can happen next. One action is one atomic step of the real system.

use super::{
    life::life,
    program,
    scenario::{Flaw, Scenario},
    state::{Cause, Consumer, Entry, Payment, Process, State, Step, is_same},
    step::{Action, Steps, change, runs},
};

/// Events in flight in one worker: the one that it handles and one read ahead.
const IN_HAND: usize = 2;
const WORKERS: usize = 2;
/// As in `queue/takeover.rs`.
const MOST_DELIVERIES: u8 = 3;

/// The steps out of a state.
pub(crate) fn next(scenario: &Scenario, state: &State) -> Vec<(Action, State)> {
    let mut steps = Steps {
        state,
        found: Vec::new(),
    };
    outside(scenario, &mut steps);
    for worker in 0..state.consumers.len() {
        queue(&mut steps, worker);
        handlers(scenario, &mut steps, worker);
        life(scenario, &mut steps, worker);
    }
    steps.found
}

/// Steps of PayJS, payers, the api, and any live worker.
fn outside(scenario: &Scenario, steps: &mut Steps<'_>) {
    let state = steps.state;
    for payment in (0..).take(scenario.payments.len()) {
        let at = usize::from(payment);
        // A payment without a confirm is reported by its notify only.
        let asked = scenario.confirms.iter().any(|one| one.payment == payment);
        if asked && !state.paid[at] {
            steps.add(Action::Pay(payment), |state| state.paid[at] = true);
        } else if state.notifies[at] > 0 {
            notify(scenario, steps, payment);
        }
    }
    for (number, confirm) in scenario.confirms.iter().enumerate() {
        if state.confirms[number] {
            steps.add(Action::Confirm(number), |state| {
                state.confirms[number] = false;
                state.queue(confirm.payment, confirm.asked, Cause::Confirm);
            });
        }
    }
    for &payment in &state.unqueued {
        for dies in [false, true] {
            steps.add(Action::QueueLate { payment, dies }, |state| {
                state.unqueued.retain(|one| *one != payment);
                if !dies {
                    state.queue(payment, scenario.order_of(payment), Cause::Report);
                }
            });
        }
    }
    if processes(state).count() < WORKERS {
        steps.add(Action::Start, |state| {
            state.consumers.push(Consumer {
                process: Some(Process::default()),
                ..Consumer::default()
            });
        });
    }
    if processes(state).any(|process| !process.stopping) {
        for &entry in &state.retry {
            steps.add(Action::MoveDue(entry), |state| {
                state.retry.retain(|one| *one != entry);
                let generation = entry.generation + 1;
                state.stream.push(Entry {
                    generation,
                    ..entry
                });
            });
        }
    }
}

fn notify(scenario: &Scenario, steps: &mut Steps<'_>, payment: Payment) {
    let at = usize::from(payment);
    for answered in [true, false] {
        steps.add(Action::Notify { payment, answered }, |state| {
            state.paid[at] = true;
            state.notifies[at] -= 1;
            state.acknowledged[at] |= answered;
            if scenario.has(Flaw::AnswersBeforeQueueing) {
                state.unqueued.push(payment);
            } else {
                state.queue(payment, scenario.order_of(payment), Cause::Report);
            }
        });
    }
}

/// Events that a worker gets: read, recovered, taken over.
fn queue(steps: &mut Steps<'_>, worker: usize) {
    let state = steps.state;
    let Some(process) = &state.consumers[worker].process else {
        return;
    };
    if process.stopping || process.held.len() >= IN_HAND {
        return;
    }
    if let Some(&entry) = state.stream.first() {
        for arrives in [true, false] {
            if arrives || state.faults.lost_answers > 0 {
                steps.add(Action::Read { worker, arrives }, |state| {
                    state.stream.remove(0);
                    state.faults.lost_answers -= u8::from(!arrives);
                    state.consumers[worker].pending.push((entry, 1));
                    if arrives {
                        hold(state, worker, entry, Step::Waiting);
                    }
                });
            }
        }
    }
    for &(entry, _) in &state.consumers[worker].pending {
        if !process.held.iter().any(|(held, _)| is_same(*held, entry)) {
            steps.add(Action::RecoverLost { worker, entry }, |state| {
                hold(state, worker, entry, Step::Waiting);
            });
        }
    }
    if !process.stalled {
        take_over(steps, worker);
    }
}

fn take_over(steps: &mut Steps<'_>, worker: usize) {
    let state = steps.state;
    for (from, consumer) in state.consumers.iter().enumerate() {
        let lives = consumer.process.as_ref().is_some_and(|one| !one.stalled);
        if from == worker || lives {
            continue;
        }
        for &(entry, deliveries) in &consumer.pending {
            let poisonous = deliveries >= MOST_DELIVERIES && !consumer.released;
            let action = Action::TakeOver {
                worker,
                from,
                entry,
            };
            steps.add(action, |state| {
                state.take_out(entry);
                let pending = &mut state.consumers[worker].pending;
                pending.push((entry, deliveries + 1));
                hold(state, worker, entry, Step::Claimed { poisonous });
            });
        }
    }
}

/// Handlers of a worker's events in flight. One runs at a time.
fn handlers(scenario: &Scenario, steps: &mut Steps<'_>, worker: usize) {
    let state = steps.state;
    let Some(process) = &state.consumers[worker].process else {
        return;
    };
    let busy = process.held.iter().any(|(_, step)| runs(*step));
    for (place, &(entry, step)) in process.held.iter().enumerate() {
        if step == Step::Waiting && (busy || process.stopping) {
            continue;
        }
        steps.add(Action::Proceed { worker, entry }, |state| {
            let next = program::proceed(scenario, state, entry, step);
            set(state, worker, place, next);
        });
        if state.faults.outages > 0 {
            for took_effect in [false, true] {
                fail(scenario, steps, worker, place, took_effect);
            }
        }
        if step == Step::Asking && state.faults.check_refusals > 0 {
            steps.add(Action::Refuse { worker, entry }, |state| {
                state.faults.check_refusals -= 1;
                set(state, worker, place, Some(program::refuse(entry)));
            });
        }
        if let Step::Decided(outcome) = step
            && state.faults.lost_answers > 0
        {
            steps.add(Action::SettleUnheard { worker, entry }, |state| {
                state.faults.lost_answers -= 1;
                program::settle(scenario, state, entry, outcome);
            });
        }
    }
}

fn fail(
    scenario: &Scenario,
    steps: &mut Steps<'_>,
    worker: usize,
    place: usize,
    took_effect: bool,
) {
    let state = steps.state;
    let Some(process) = &state.consumers[worker].process else {
        return;
    };
    let (entry, step) = process.held[place];
    // A read that fails has changed nothing.
    let is_write = matches!(
        step,
        Step::Asking | Step::Answered | Step::Ordered | Step::Coded(_)
    );
    if !is_write && (took_effect || !runs(step)) || matches!(step, Step::Decided(_) | Step::Half(_))
    {
        return;
    }
    let action = Action::Fail {
        worker,
        entry,
        took_effect,
    };
    steps.add(action, |state| {
        state.faults.outages -= 1;
        if took_effect {
            program::proceed(scenario, state, entry, step);
        }
        set(
            state,
            worker,
            place,
            Some(program::try_again(scenario, entry, step)),
        );
    });
}

fn processes(state: &State) -> impl Iterator<Item = &Process> {
    state
        .consumers
        .iter()
        .filter_map(|one| one.process.as_ref())
}

/// Adds an entry to a worker's events in flight, unless it is one already.
fn hold(state: &mut State, worker: usize, entry: Entry, step: Step) {
    change(state, worker, |process| {
        let known = process.held.iter().any(|(held, _)| is_same(*held, entry));
        if !known || step == (Step::Claimed { poisonous: true }) {
            process.held.push((entry, step));
        }
    });
}

/// Sets the next step of an event in flight, or removes the event if there is none.
fn set(state: &mut State, worker: usize, place: usize, step: Option<Step>) {
    change(state, worker, |process| match step {
        Some(step) => process.held[place].1 = step,
        None => {
            process.held.remove(place);
        }
    });
}
