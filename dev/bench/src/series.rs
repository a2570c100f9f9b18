//! Repeated measurements of one thing.

use serde::Serialize;

/// What the rounds of a measurement gave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    rounds: Vec<f64>,
}

impl Series {
    pub(crate) fn new(rounds: Vec<f64>) -> Self {
        let sorted = sorted(&rounds);
        Self {
            median: quantile(&sorted, 0.5),
            min: quantile(&sorted, 0.0),
            max: quantile(&sorted, 1.0),
            rounds,
        }
    }

    /// Round by round, so many times as much as `other`.
    pub(crate) fn over(&self, other: &Self) -> Self {
        let ratios = self.rounds.iter().zip(&other.rounds);
        Self::new(ratios.map(|(ours, theirs)| ours / theirs).collect())
    }
}

/// The value below which a `share` of the values lies.
pub(crate) fn quantile_of(values: &[f64], share: f64) -> f64 {
    quantile(&sorted(values), share)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into some hundred values"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that went in come out as they are")]
mod tests {
    use super::*;

    #[test]
    fn a_series_tells_its_middle_and_its_ends() {
        let series = Series::new(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!([series.median, series.min, series.max], [3.0, 1.0, 5.0]);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ours = Series::new(vec![10.0, 30.0, 20.0]);
        let theirs = Series::new(vec![10.0, 15.0, 5.0]);
        assert_eq!(ours.over(&theirs).rounds, [1.0, 2.0, 4.0]);
    }

    #[test]
    fn the_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(quantile_of(&values, 0.99), 198.0);
    }
}
