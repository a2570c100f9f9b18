//! Results, as a table and as JSON.

use std::{collections::BTreeMap, env, fmt, fs, io::Write as _, path::Path, process, thread};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The rounds of one measurement.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    rounds: Vec<f64>,
}

/// One measurement.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) heyi: Series,
    #[serde(alias = "beside")]
    pub(crate) baseline: Option<Baseline>,
    target: Option<Target>,
    met: Option<bool>,
}

/// Its baseline, which ran in alternation.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) what: String,
    measured: Series,
    /// The ratio to the baseline in each round.
    pub(crate) ratio: Series,
}

/// The target of the median.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    Below(f64),
}

/// The results of one scenario.
#[derive(Serialize, Deserialize)]
pub(crate) struct ScenarioResults {
    machine: Value,
    measured_at: String,
    pub(crate) rows: Vec<Row>,
}

/// The results of all scenarios by name.
pub(crate) type Results = BTreeMap<String, ScenarioResults>;

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.rounds.push(value);
        let quantiles = [0, 50, 100].map(|percent| quantile(&self.rounds, percent));
        [self.min, self.median, self.max] = quantiles;
    }
}

impl Row {
    pub(crate) fn new(what: &str, unit: &str, baseline: Option<&str>) -> Self {
        let baseline = baseline.map(|what| Baseline {
            what: what.to_owned(),
            ..Baseline::default()
        });
        Self {
            what: what.to_owned(),
            unit: unit.to_owned(),
            baseline,
            ..Self::default()
        }
    }

    pub(crate) fn is(&self, what: &str, baseline: Option<&str>) -> bool {
        self.what == what && self.baseline.as_ref().map(|it| it.what.as_str()) == baseline
    }

    pub(crate) fn push(&mut self, value: f64, measured: f64) {
        self.heyi.push(value);
        if let Some(baseline) = &mut self.baseline {
            baseline.measured.push(measured);
            baseline.ratio.push(value / measured);
        }
    }

    /// Sets the target: at least this ratio to the baseline.
    pub(crate) fn at_least(&mut self, ratio: f64) {
        self.met = self.ratio().map(|median| median >= ratio);
        self.target = Some(Target::RatioAtLeast(ratio));
    }

    /// Sets the target: at most this ratio to the baseline.
    pub(crate) fn at_most(&mut self, ratio: f64) {
        self.met = self.ratio().map(|median| median <= ratio);
        self.target = Some(Target::RatioAtMost(ratio));
    }

    /// Sets the target: less than this.
    pub(crate) fn below(&mut self, limit: f64) {
        self.met = Some(self.heyi.median < limit);
        self.target = Some(Target::Below(limit));
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.baseline.as_ref()?.ratio.median)
    }

    pub(crate) fn print(&self) {
        let line = |name: &str, text: &dyn fmt::Display| println!("    {name:<28} {text}");
        println!("  {} [{}]", self.what, self.unit);
        line("heyi", &self.heyi);
        if let Some(baseline) = &self.baseline {
            line(&baseline.what, &baseline.measured);
            line("ratio", &baseline.ratio);
        }
        let target = match self.target {
            Some(Target::RatioAtLeast(ratio)) => format!("ratio >= {ratio}"),
            Some(Target::RatioAtMost(ratio)) => format!("ratio <= {ratio}"),
            Some(Target::Below(limit)) => format!("< {limit}"),
            None => return,
        };
        let met = self
            .met
            .map_or("", |met| if met { "met" } else { "MISSED" });
        line("target", &format!("{target}: {met}"));
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, min, max] = [self.median, self.min, self.max].map(|value| {
            let decimals = if value < 100.0 { 2 } else { 0 };
            format!("{value:.decimals$}")
        });
        write!(f, "{median:>8} ({min} to {max})")
    }
}

/// A percentile of the values.
pub(crate) fn quantile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len().saturating_sub(1) * percent + 50) / 100;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

pub(crate) fn read(path: &Path) -> Result<Results> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} has no results", path.display()))
}

/// Saves the rows of a scenario in a file and keeps those of others.
pub(crate) fn save(path: &Path, name: String, rows: Vec<Row>) -> Result<()> {
    let mut results = Results::new();
    if path.exists() {
        results = read(path)?;
    }
    let now = jiff::Timestamp::now();
    let measured = ScenarioResults {
        machine: machine()?,
        measured_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        rows,
    };
    results.insert(name, measured);
    let text = format!("{:#}\n", serde_json::to_value(results)?);
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Describes the machine. `fsync_ms` is the median time of a synced append in the directory of the stores.
fn machine() -> Result<Value> {
    const SYNCS: u32 = 100;
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut fields = processors.lines().filter_map(|line| line.split_once(':'));
    let model = fields.find(|(name, _)| name.trim() == "model name");
    let path = env::temp_dir().join(format!("heyi-bench-{}", process::id()));
    let mut file = fs::File::create_new(&path)?;
    let mut times = Series::default();
    for _ in 0..SYNCS {
        file.write_all(&[0; 256])?;
        let start = std::time::Instant::now();
        file.sync_data()?;
        times.push(super::ms(start));
    }
    fs::remove_file(path)?;
    Ok(json!({
        "cores": thread::available_parallelism()?.get(),
        "processor": model.map_or("", |(_, model)| model.trim()),
        "fsync_ms": times.median,
    }))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact values")]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_a_median_and_a_range() {
        let mut series = Series::default();
        for value in [5.0, 1.0, 4.0, 2.0, 3.0] {
            series.push(value);
        }
        assert_eq!([series.median, series.min, series.max], [3.0, 1.0, 5.0]);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let mut row = Row::new("it", "ms", Some("baseline"));
        for (ours, theirs) in [(10.0, 10.0), (30.0, 15.0), (20.0, 5.0)] {
            row.push(ours, theirs);
        }
        row.at_least(2.0);
        assert_eq!(row.baseline.unwrap().ratio.rounds, [1.0, 2.0, 4.0]);
        assert_eq!(row.met, Some(true));
    }

    #[test]
    fn the_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(quantile(&values, 99), 198.0);
    }
}
