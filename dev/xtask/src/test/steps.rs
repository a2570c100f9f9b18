//! Steps with names and durations.

use std::{
    fmt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::process;

/// The steps so far.
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
    /// Runs a step. Its error contains its name.
    pub(super) fn run<T>(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = step();
        self.ended(name, result, start.elapsed())
    }

    /// Records a step that ran in parallel, and prints its output.
    pub(super) fn note(&mut self, name: &'static str, (said, took): Timed) -> Result<()> {
        println!("\n== {name}");
        let result = said.map(|said| println!("{said}"));
        self.ended(name, result, took)
    }

    fn ended<T>(&mut self, name: &'static str, result: Result<T>, took: Duration) -> Result<T> {
        let outcome = if result.is_ok() {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        println!("== {name}: {outcome} in {:.1} s", took.as_secs_f32());
        self.0.push(Step {
            name,
            outcome,
            took,
        });
        result.with_context(|| format!("step {name}"))
    }

    /// Records a skipped step and the reason.
    pub(super) fn skip(&mut self, name: &'static str, reason: &str) {
        println!("\n== {name}: skipped, {reason}");
        let outcome = Outcome::Skipped(reason.to_owned());
        self.0.push(Step {
            name,
            outcome,
            took: Duration::ZERO,
        });
    }

    /// Prints the steps.
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

/// The output of a step and its duration.
type Timed = (Result<String>, Duration);

/// Measures a step that runs in parallel.
pub(super) async fn timed(step: impl Future<Output = Result<String>>) -> Timed {
    let start = Instant::now();
    let said = step.await;
    (said, start.elapsed())
}

/// Runs a command, which must succeed, and returns its output.
pub(super) async fn captured(command: Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let mut command = process::Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if !output.status.success() {
        bail!("{program} ended with {}\n{said}", output.status);
    }
    Ok(said)
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
