//! Compares two files of results.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::frame::results::{self, Series};

/// The noise of a median.
const NOISE: f64 = 0.1;

/// A name, the compared series, and whether more is better. A ratio is preferred, since it does not depend on the machine.
type Number = (String, Series, bool);

/// Prints the differences. An error if something got worse by more than noise.
pub(crate) fn print(before: &Path, after: &Path) -> Result<()> {
    let (before, after) = (numbers(before)?, numbers(after)?);
    let mut worse = Vec::new();
    for (name, now, is_gain) in &after {
        let Some((_, then, _)) = before.iter().find(|(then, ..)| then == name) else {
            println!("   new   {name}: {:.3}", now.median);
            continue;
        };
        let change = change(then.median, now.median);
        let is_better = (change > 0.0) == *is_gain;
        let overlaps = now.min <= then.max && then.min <= now.max;
        let verdict = match is_better {
            _ if overlaps || change.abs() <= NOISE => "",
            true => "better",
            false => "WORSE",
        };
        if verdict == "WORSE" {
            worse.push(name.as_str());
        }
        let (change, now, then) = (change * 100.0, now.median, then.median);
        println!("{change:>+7.1} % {verdict:<6} {name}: {now:.3}, was {then:.3}");
    }
    for (name, ..) in &before {
        if !after.iter().any(|(now, ..)| now == name) {
            println!("   gone  {name}");
        }
    }
    ensure!(worse.is_empty(), "got worse: {}", worse.join("; "));
    Ok(())
}

/// The relative change. From zero it is infinite.
fn change(before: f64, now: f64) -> f64 {
    let difference = now - before;
    if difference.abs() < f64::EPSILON {
        0.0
    } else {
        difference / before
    }
}

fn numbers(path: &Path) -> Result<Vec<Number>> {
    let mut numbers = Vec::new();
    for (title, measured) in results::read(path)? {
        for row in measured.rows {
            let (what, unit) = (row.what, row.unit);
            let is_gain = unit.ends_with("/s") || unit.starts_with("of ");
            let (name, series) = match row.baseline {
                Some(baseline) => (format!("{what} ÷ {}", baseline.what), baseline.ratio),
                None => (format!("{what} [{unit}]"), row.heyi),
            };
            numbers.push((format!("{title}: {name}"), series, is_gain));
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::results::Row;

    fn file(median: f64, unit: &str) -> tempfile::NamedTempFile {
        let mut row = Row::new("it", unit, None);
        row.heyi.push(median);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{}").unwrap();
        results::save(file.path(), "x".to_owned(), vec![row]).unwrap();
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
    fn a_file_without_results_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(print(file.path(), file.path()).is_err());
    }
}
