//! The report of a run.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    Options,
    books::Books,
    fleet::Ended,
    inject::Injected,
    order::Scenario,
    reconcile::{Class, Violation},
    recovery::{Recovery, Spread},
};

/// The most violations in the table. The JSON file has all.
const SHOWN: usize = 20;

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The options. The same seed gives the same plan.
    pub options: Options,
    /// Faults by kind.
    pub recovery: BTreeMap<String, Recovery>,
    /// Counts.
    pub counts: Counts,
    /// Violations by class.
    pub classes: BTreeMap<String, usize>,
    /// All violations.
    pub violations: Vec<Violation>,
    /// Processes of Heyi that ended on their own.
    pub ended: Vec<Ended>,
    /// The injected faults.
    pub injected: Vec<Injected>,
}

/// The totals of a run.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    /// Started clients. A client gives up if the api does not accept its order within a minute.
    pub begun: usize,
    /// Placed orders by scenario.
    pub orders: BTreeMap<Scenario, usize>,
    /// Paid orders.
    pub paid: usize,
    /// Codes.
    pub codes: usize,
    /// Sent notifies.
    pub notifies: usize,
    /// Acknowledged notifies.
    pub acknowledged: usize,
    /// Answered calls of `check`.
    pub checks: usize,
    /// From acknowledgement to promotion, over the whole run.
    pub promotion_ms: Spread,
}

impl Counts {
    /// Counts the records of the books.
    pub fn new(begun: usize, books: &Books) -> Self {
        let (placed, ledger) = (&books.placed, &books.ledger);
        let mut orders = BTreeMap::new();
        for one in placed {
            *orders.entry(one.scenario).or_default() += 1;
        }
        let sent = || ledger.notifies.iter().filter(|notify| !notify.lost);
        let took = placed.iter().filter_map(|one| {
            let took = one.promoted?.as_millisecond() - one.acknowledged?.as_millisecond();
            Some(took.max(0))
        });
        Self {
            begun,
            orders,
            paid: ledger
                .orders
                .iter()
                .filter(|order| order.paid_at.is_some())
                .count(),
            codes: books.codes.len(),
            notifies: sent().count(),
            acknowledged: sent().filter(|notify| notify.acknowledged).count(),
            checks: ledger.checks.len(),
            promotion_ms: Spread::of(took.collect()),
        }
    }
}

impl Report {
    /// Whether the promise was kept.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// The report as text.
    pub fn table(&self) -> String {
        let mut text = String::new();
        self.tell_faults(&mut text);
        self.tell_counts(&mut text);
        self.tell_violations(&mut text);
        text
    }

    // Writing to a String cannot fail.
    fn tell_faults(&self, text: &mut String) {
        let head = [
            "fault",
            "times",
            "measured",
            "first p50",
            "p99",
            "all p50",
            "p99 [ms]",
        ];
        let _ = writeln!(text, "{}", row(&head.map(str::to_owned)));
        for (kind, one) in &self.recovery {
            let cells = [
                kind.clone(),
                one.faults.to_string(),
                one.measured.to_string(),
                cell(one.flow_ms.p50),
                cell(one.flow_ms.p99),
                cell(one.all_ms.p50),
                cell(one.all_ms.p99),
            ];
            let _ = writeln!(text, "{}", row(&cells));
        }
    }

    fn tell_counts(&self, text: &mut String) {
        let counts = &self.counts;
        let placed: usize = counts.orders.values().sum();
        let _ = writeln!(
            text,
            "\n{placed} of {} orders placed, {} paid, {} codes; {} notifies sent, {} acknowledged; {} checks",
            counts.begun,
            counts.paid,
            counts.codes,
            counts.notifies,
            counts.acknowledged,
            counts.checks
        );
        let _ = writeln!(
            text,
            "acknowledged to promoted: p50 {} ms, p99 {} ms",
            cell(counts.promotion_ms.p50),
            cell(counts.promotion_ms.p99)
        );
    }

    fn tell_violations(&self, text: &mut String) {
        for violation in self.violations.iter().take(SHOWN) {
            let number = violation.out_trade_no.as_deref().unwrap_or("-");
            let _ = writeln!(
                text,
                "\n{}: order {number}: {}",
                violation.class, violation.what
            );
            for line in &violation.known {
                let _ = writeln!(text, "    {line}");
            }
        }
        if let Some(more) = self.violations.len().checked_sub(SHOWN + 1) {
            let _ = writeln!(text, "\n… and {} more in the report", more + 1);
        }
        let classes: Vec<String> = Class::ALL
            .iter()
            .map(|class| {
                format!(
                    "{class} {}",
                    self.classes.get(&class.to_string()).unwrap_or(&0)
                )
            })
            .collect();
        let _ = writeln!(text, "\n{}", classes.join(", "));
    }
}

fn row(cells: &[String; 7]) -> String {
    let [first, rest @ ..] = cells;
    let mut row = format!("{first:<26}");
    for cell in rest {
        let _ = write!(row, "{cell:>11}");
    }
    row
}

fn cell(value: Option<i64>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}
