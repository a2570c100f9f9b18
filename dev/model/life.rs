//! Worker lifecycle: death, freeze, shutdown.

use super::{
    scenario::{Flaw, Scenario},
    state::{Consumer, Entry, State, is_same},
    step::{Action, Steps, change, runs},
};

/// Steps of the worker process itself.
pub(super) fn life(scenario: &Scenario, steps: &mut Steps<'_>, worker: usize) {
    let state = steps.state;
    let consumer = &state.consumers[worker];
    let stalled = consumer.process.as_ref().is_none_or(|one| one.stalled);
    if scenario.has(Flaw::RemovesWithoutLooking) && stalled && !consumer.released {
        steps.add(Action::Remove(worker), |state| {
            state.consumers[worker].pending.clear();
        });
    }
    let Some(process) = &consumer.process else {
        return;
    };
    if state.faults.crashes > 0 {
        steps.add(Action::Crash(worker), |state| {
            state.faults.crashes -= 1;
            state.deaths += 1;
            state.consumers[worker].process = None;
        });
    }
    if state.faults.stalls > 0 && !process.stalled {
        steps.add(Action::Stall(worker), |state| {
            state.faults.stalls -= 1;
            state.deaths += 1;
            change(state, worker, |process| process.stalled = true);
        });
    }
    if process.stalled {
        steps.add(Action::Recover(worker), |state| {
            change(state, worker, |process| process.stalled = false);
        });
    }
    if process.stopping {
        leave(scenario, steps, worker);
    } else if state.faults.shutdowns > 0 {
        steps.add(Action::Stop(worker), |state| {
            state.faults.shutdowns -= 1;
            change(state, worker, |process| process.stopping = true);
        });
    }
}

/// The last steps of a stopping worker, after all its handlers ended.
fn leave(scenario: &Scenario, steps: &mut Steps<'_>, worker: usize) {
    let state = steps.state;
    let consumer = &state.consumers[worker];
    let Some(process) = &consumer.process else {
        return;
    };
    if process.held.iter().any(|(_, step)| runs(*step)) {
        return;
    }
    if consumer.pending.is_empty() {
        steps.add(Action::Leave(worker), |state| {
            state.consumers[worker].process = None;
        });
    }
    for &(entry, deliveries) in &consumer.pending {
        steps.add(Action::GiveBack { worker, entry }, |state| {
            state.take_out(entry);
            change(state, worker, |process| {
                process.held.retain(|(held, _)| !is_same(*held, entry));
            });
            let counted = u8::from(!scenario.has(Flaw::CountsReleases));
            give_back(state, entry, deliveries.saturating_sub(counted));
        });
    }
}

fn give_back(state: &mut State, entry: Entry, deliveries: u8) {
    match state.consumers.iter_mut().find(|one| one.released) {
        Some(released) => released.pending.push((entry, deliveries)),
        None => state.consumers.push(Consumer {
            pending: vec![(entry, deliveries)],
            process: None,
            released: true,
        }),
    }
}
