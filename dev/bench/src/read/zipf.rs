//! How unevenly codes are scanned: the second as half as often as the first, the third a third as often.

/// Draws places by Zipf's law with exponent 1.
pub(super) struct Zipf {
    /// The sum of the weights up to each place.
    sums: Vec<f64>,
}

impl Zipf {
    pub(super) fn new(places: usize) -> Self {
        let mut sum = 0.0;
        let weights = (1..=places).map(|place| {
            sum += 1.0 / u32::try_from(place).map_or(f64::INFINITY, f64::from);
            sum
        });
        Self {
            sums: weights.collect(),
        }
    }

    pub(super) fn draw(&self) -> usize {
        let total = self.sums.last().copied().unwrap_or_default();
        let drawn = rand::random_range(0.0..total);
        self.sums.partition_point(|sum| *sum <= drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_drawn_twice_as_often_as_the_second() {
        let zipf = Zipf::new(3);
        let mut drawn = [0_u32; 3];
        for _ in 0..60_000 {
            drawn[zipf.draw()] += 1;
        }
        let share = |count: u32| f64::from(count) / 60_000.0;
        for (count, expected) in drawn.into_iter().zip([6.0 / 11.0, 3.0 / 11.0, 2.0 / 11.0]) {
            assert!((share(count) - expected).abs() < 0.02, "{drawn:?}");
        }
    }
}
