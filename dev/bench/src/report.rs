//! What came out, for people and for programs.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{machine, series::Series};

/// One thing that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) heyi: Series,
    pub(crate) beside: Option<Beside>,
    target: Option<Target>,
    met: Option<bool>,
}

/// What ran in turn with it.
#[derive(Debug, Serialize)]
pub(crate) struct Beside {
    what: &'static str,
    measured: Series,
    /// So many times as much as that.
    ratio: Series,
}

/// What the median has to reach.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// So many times as much as what is beside it.
    RatioAtLeast(f64),
    /// At most so many times as much.
    RatioAtMost(f64),
    /// Less than this.
    Below(f64),
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, heyi: Series) -> Self {
        Self {
            what: what.into(),
            unit,
            heyi,
            beside: None,
            target: None,
            met: None,
        }
    }

    /// Says what was measured in turn with it.
    pub(crate) fn beside(mut self, what: &'static str, measured: Series) -> Self {
        self.beside = Some(Beside {
            what,
            ratio: self.heyi.over(&measured),
            measured,
        });
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self.met = match (target, &self.beside) {
            (Target::RatioAtLeast(least), Some(beside)) => Some(beside.ratio.median >= least),
            (Target::RatioAtMost(most), Some(beside)) => Some(beside.ratio.median <= most),
            (Target::RatioAtLeast(_) | Target::RatioAtMost(_), None) => None,
            (Target::Below(limit), _) => Some(self.heyi.median < limit),
        };
        self
    }
}

/// Prints a table.
pub(crate) fn print(title: &str, rows: &[Row]) {
    println!("\n{title}: median (min to max)");
    for row in rows {
        println!("  {} [{}]", row.what, row.unit);
        println!("    {:<28} {}", "heyi", cell(&row.heyi));
        if let Some(beside) = &row.beside {
            println!("    {:<28} {}", beside.what, cell(&beside.measured));
            println!("    {:<28} {}", "ratio", cell(&beside.ratio));
        }
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        match row.target {
            Some(Target::RatioAtLeast(least)) => {
                println!("    {:<28} ratio >= {least}: {met}", "target");
            }
            Some(Target::RatioAtMost(most)) => {
                println!("    {:<28} ratio <= {most}: {met}", "target");
            }
            Some(Target::Below(limit)) => println!("    {:<28} < {limit}: {met}", "target"),
            None => {}
        }
    }
}

fn cell(series: &Series) -> String {
    let [median, min, max] = [series.median, series.min, series.max].map(number);
    format!("{median:>8} ({min} to {max})")
}

fn number(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// Writes the rows to `bench/results.json` and leaves those of other measurements there.
pub(crate) fn save(title: &str, rows: &[Row]) -> Result<()> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| "bench".into(), PathBuf::from);
    let path = package.join("results.json");
    let mut results: Map<String, Value> = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .with_context(|| format!("{} is none of ours", path.display()))?,
        Err(_) => Map::new(),
    };
    let measured = json!({
        "measured_at": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "machine": machine::describe()?,
        "rows": rows,
    });
    results.insert(title.to_owned(), measured);
    let text = format!("{:#}\n", Value::Object(results));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
