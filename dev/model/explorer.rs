//! Breadth-first search through every reachable state, so the trace to a broken promise is a shortest one.

use std::{collections::HashMap, fmt::Write as _, rc::Rc};

use super::{actions::next, promise, scenario::Scenario, state::State, step::Action};

/// The result of a search.
pub(crate) struct Explored {
    /// Different states.
    pub(crate) states: usize,
    /// Steps between them.
    pub(crate) steps: usize,
    /// The first broken promise and the trace to it.
    pub(crate) broken: Option<Broken>,
}

pub(crate) struct Broken {
    pub(crate) promise: String,
    pub(crate) trace: String,
}

#[derive(Default)]
struct Graph {
    numbers: HashMap<Rc<State>, usize>,
    states: Vec<Rc<State>>,
    /// How each state was reached first.
    origins: Vec<Option<(usize, Action)>>,
    /// Steps without a fault, backwards.
    before: Vec<Vec<usize>>,
    steps: usize,
}

/// Visits all states of a scenario, up to the first that breaks a promise.
pub(crate) fn explore(scenario: &Scenario) -> Explored {
    let mut graph = Graph::default();
    graph.number(scenario.start().normal(), None);
    let mut at = 0;
    while let Some(state) = graph.states.get(at).cloned() {
        if let Err(promise) = promise::holds(scenario, &state) {
            return graph.broken(at, promise);
        }
        for (action, state) in next(scenario, &state) {
            let to = graph.number(state.normal(), Some((at, action)));
            graph.steps += 1;
            if !action.is_fault() {
                graph.before[to].push(at);
            }
        }
        at += 1;
    }
    match graph.stuck() {
        Some(stuck) => graph.broken(stuck, "it never becomes quiet again".to_owned()),
        None => graph.explored(None),
    }
}

impl Graph {
    fn number(&mut self, state: State, origin: Option<(usize, Action)>) -> usize {
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        let state = Rc::new(state);
        let number = self.states.len();
        self.numbers.insert(Rc::clone(&state), number);
        self.states.push(state);
        self.origins.push(origin);
        self.before.push(Vec::new());
        number
    }

    /// The first state from which no quiet state can be reached without another fault.
    fn stuck(&self) -> Option<usize> {
        let mut gets_quiet: Vec<bool> = self.states.iter().map(|state| state.is_quiet()).collect();
        let mut open: Vec<usize> = (0..self.states.len())
            .filter(|at| gets_quiet[*at])
            .collect();
        while let Some(at) = open.pop() {
            for from in &self.before[at] {
                if !std::mem::replace(&mut gets_quiet[*from], true) {
                    open.push(*from);
                }
            }
        }
        gets_quiet.iter().position(|quiet| !quiet)
    }

    fn broken(&self, at: usize, promise: String) -> Explored {
        self.explored(Some(Broken {
            promise,
            trace: self.trace(at),
        }))
    }

    fn explored(&self, broken: Option<Broken>) -> Explored {
        Explored {
            states: self.states.len(),
            steps: self.steps,
            broken,
        }
    }

    fn trace(&self, mut at: usize) -> String {
        let last = format!("{:?}", self.states[at]);
        let mut actions = Vec::new();
        while let Some((from, action)) = self.origins[at] {
            actions.push(action);
            at = from;
        }
        let mut text = String::new();
        for (number, action) in actions.iter().rev().enumerate() {
            writeln!(text, "{:>3}. {action:?}", number + 1).unwrap();
        }
        text + &last
    }
}
