//! A scenario: what it starts, what it measures in each round, and its baseline.

use std::{env, path::PathBuf, time::Duration};

use anyhow::Result;
use clap::ValueEnum;

use super::results::{self, Row};

/// The divisor of counts and pauses with `--quick`.
const QUICK: u32 = 50;

/// A running scenario.
pub(crate) struct Scenario {
    name: String,
    is_quick: bool,
    rows: Vec<Row>,
}

impl Scenario {
    pub(crate) fn new(name: &impl ValueEnum, is_quick: bool) -> Self {
        let name = name.to_possible_value();
        Self {
            name: name.map_or_else(String::new, |name| name.get_name().to_owned()),
            is_quick,
            rows: Vec::new(),
        }
    }

    /// Whether it only checks that the scenario runs.
    pub(crate) fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// A number of operations, smaller with `--quick`.
    pub(crate) fn count(&self, usual: u32) -> u32 {
        if self.is_quick { usual / QUICK } else { usual }
    }

    /// The length of a pause, shorter with `--quick`.
    pub(crate) fn pause(&self, usual: Duration) -> Duration {
        if self.is_quick { usual / QUICK } else { usual }
    }

    /// Prints the progress.
    pub(crate) fn say(&self, what: &str) {
        println!("{}: {what}", self.name);
    }

    /// The rounds of `what`, counted from 0.
    pub(crate) fn rounds(&self, usual: u32, what: &str) -> impl Iterator<Item = u32> + use<> {
        let rounds = if self.is_quick { 1 } else { usual };
        let what = format!("{}: {what}", self.name);
        (0..rounds).inspect(move |round| println!("{what}, round {} of {rounds}", round + 1))
    }

    /// Adds a round to the row `what`.
    pub(crate) fn add(&mut self, what: &str, unit: &str, value: f64) -> &mut Row {
        let row = self.row(what, unit, None);
        row.heyi.push(value);
        row
    }

    /// Adds a round to the row `what`, with that of its baseline.
    pub(crate) fn compare(
        &mut self,
        what: &str,
        unit: &str,
        [value, measured]: [f64; 2],
        baseline: &str,
    ) -> &mut Row {
        let row = self.row(what, unit, Some(baseline));
        row.push(value, measured);
        row
    }

    fn row(&mut self, what: &str, unit: &str, baseline: Option<&str>) -> &mut Row {
        let known = self.rows.iter().position(|row| row.is(what, baseline));
        let index = known.unwrap_or_else(|| {
            self.rows.push(Row::new(what, unit, baseline));
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    /// Prints the rows, and saves them in `dev/bench/results.json` with those of other scenarios.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\n{}: median (min to max)", self.name);
        self.rows.iter().for_each(Row::print);
        if self.is_quick {
            return Ok(());
        }
        let package = env::var_os("CARGO_MANIFEST_DIR").map_or("dev/bench".into(), PathBuf::from);
        results::save(&package.join("results.json"), self.name, self.rows)
    }
}
