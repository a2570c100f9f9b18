//! What got better and what got worse between two files of results.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// By how much a median may differ by chance.
const NOISE: f64 = 0.1;

/// What is compared of a row: its ratio where it has one, since that does not depend on the machine.
struct Number {
    name: String,
    median: f64,
    min: f64,
    max: f64,
    /// Whether more of it is better.
    is_gain: bool,
}

/// Prints what differs. An error when something is worse by more than chance.
pub(crate) fn print(before: &Path, after: &Path) -> Result<()> {
    let (before, after) = (read(before)?, read(after)?);
    let mut worse = Vec::new();
    for now in &after {
        let Some(then) = before.iter().find(|then| then.name == now.name) else {
            println!("   new   {}: {:.3}", now.name, now.median);
            continue;
        };
        let change = change(then.median, now.median);
        let gain = if now.is_gain { change } else { -change };
        let overlaps = now.min <= then.max && then.min <= now.max;
        let verdict = match gain {
            _ if overlaps || gain.abs() <= NOISE => "",
            gain if gain > 0.0 => "better",
            _ => "WORSE",
        };
        if verdict == "WORSE" {
            worse.push(now.name.as_str());
        }
        println!(
            "{:>+7.1} % {verdict:<6} {}: {:.3}, was {:.3}",
            change * 100.0,
            now.name,
            now.median,
            then.median
        );
    }
    for then in &before {
        if !after.iter().any(|now| now.name == then.name) {
            println!("   gone  {}", then.name);
        }
    }
    ensure!(worse.is_empty(), "got worse: {}", worse.join("; "));
    Ok(())
}

/// By which share of it `before` has changed. What was nothing and is something has changed without measure.
fn change(before: f64, now: f64) -> f64 {
    let difference = now - before;
    if difference.abs() < f64::EPSILON {
        0.0
    } else {
        difference / before
    }
}

fn read(path: &Path) -> Result<Vec<Number>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let results: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is no file of results", path.display()))?;
    let titles = results.as_object().context("no results")?;
    let mut numbers = Vec::new();
    for (title, measured) in titles {
        for row in measured["rows"].as_array().into_iter().flatten() {
            numbers.push(number(title, row).with_context(|| format!("a row of {title}: {row}"))?);
        }
    }
    Ok(numbers)
}

fn number(title: &str, row: &Value) -> Option<Number> {
    let what = row["what"].as_str()?;
    let unit = row["unit"].as_str()?;
    let (series, name) = match row["beside"]["what"].as_str() {
        Some(beside) => (
            &row["beside"]["ratio"],
            format!("{title}: {what} ÷ {beside}"),
        ),
        None => (&row["heyi"], format!("{title}: {what} [{unit}]")),
    };
    Some(Number {
        name,
        median: series["median"].as_f64()?,
        min: series["min"].as_f64()?,
        max: series["max"].as_f64()?,
        is_gain: unit.ends_with("/s") || unit.starts_with("of "),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(median: f64, unit: &str) -> tempfile::NamedTempFile {
        let series = json!({ "median": median, "min": median, "max": median });
        let row = json!({ "what": "it", "unit": unit, "heyi": series, "beside": null });
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), json!({ "x": { "rows": [row] } }).to_string()).unwrap();
        file
    }

    #[test]
    fn less_of_a_gain_and_more_of_a_cost_is_worse() {
        let compare =
            |unit, before, after| print(file(before, unit).path(), file(after, unit).path());
        assert!(compare("orders/s", 100.0, 95.0).is_ok());
        assert!(compare("orders/s", 100.0, 80.0).is_err());
        assert!(compare("orders/s", 100.0, 200.0).is_ok());
        assert!(compare("ms", 100.0, 80.0).is_ok());
        assert!(compare("ms", 100.0, 120.0).is_err());
        assert!(compare("requests", 0.0, 0.0).is_ok());
        assert!(compare("requests", 0.0, 1.0).is_err());
    }

    #[test]
    fn what_is_no_results_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(print(file.path(), file.path()).is_err());
    }
}
