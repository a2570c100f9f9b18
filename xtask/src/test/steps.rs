//! Steps with names and durations.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// What has been run so far.
#[derive(Default)]
pub(super) struct Steps(Vec<Step>);

struct Step {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

impl Steps {
    /// Runs a step. Its failure carries its name.
    pub(super) fn run(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = step();
        let outcome = if result.is_ok() {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        let took = start.elapsed();
        println!("== {name}: {outcome} in {:.1} s", took.as_secs_f32());
        self.0.push(Step {
            name,
            outcome,
            took,
        });
        result.with_context(|| format!("step {name}"))
    }

    /// Notes a step that could not be run, and why.
    pub(super) fn skip(&mut self, name: &'static str, reason: &str) {
        println!("\n== {name}: skipped, {reason}");
        let outcome = Outcome::Skipped(reason.to_owned());
        self.0.push(Step {
            name,
            outcome,
            took: Duration::ZERO,
        });
    }

    /// Prints what has been run.
    pub(super) fn summarize(&self) {
        println!();
        for Step {
            name,
            outcome,
            took,
        } in &self.0
        {
            println!("  {name:<16} {:>7.1} s  {outcome}", took.as_secs_f32());
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed => f.write_str("passed"),
            Outcome::Failed => f.write_str("FAILED"),
            Outcome::Skipped(reason) => write!(f, "skipped: {reason}"),
        }
    }
}
