//! Recovery times.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::{inject::Injected, order::Placed};

/// The recovery from one kind of fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The number of faults of this kind.
    pub faults: usize,
    /// How many were measured: no other fault overlapped, and orders waited.
    pub measured: usize,
    /// From the fault's end to the first promotion.
    pub flow_ms: Spread,
    /// Until the last order that waited during the fault was promoted. It counts from the fault's end, or from its start if
    /// other processes take over (a worker is killed or frozen).
    pub all_ms: Spread,
}

/// The percentiles of times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The median.
    pub p50: Option<i64>,
    /// The 99th percentile.
    pub p99: Option<i64>,
}

/// Measures every kind of fault.
pub fn recovery(injected: &[Injected], placed: &[Placed]) -> BTreeMap<String, Recovery> {
    let promotions = promotions(placed);
    let mut kinds: BTreeMap<String, (usize, Vec<(i64, i64)>)> = BTreeMap::new();
    for fault in injected {
        let entry = kinds.entry(fault.fault.kind()).or_default();
        entry.0 += 1;
        entry.1.extend(measure(fault, injected, &promotions));
    }
    kinds
        .into_iter()
        .map(|(kind, (faults, samples))| {
            let (flow, all) = samples.iter().copied().unzip();
            let recovery = Recovery {
                faults,
                measured: samples.len(),
                flow_ms: Spread::of(flow),
                all_ms: Spread::of(all),
            };
            (kind, recovery)
        })
        .collect()
}

/// When each order was acknowledged and promoted.
fn promotions(placed: &[Placed]) -> Vec<(Timestamp, Timestamp)> {
    placed
        .iter()
        .filter_map(|one| Some((one.acknowledged?, one.promoted?)))
        .collect()
}

fn measure(
    fault: &Injected,
    all: &[Injected],
    promotions: &[(Timestamp, Timestamp)],
) -> Option<(i64, i64)> {
    let after = |time: Timestamp| (time.as_millisecond() - fault.healed.as_millisecond()).max(0);
    let first = promotions
        .iter()
        .map(|(_, promoted)| *promoted)
        .filter(|promoted| *promoted >= fault.healed)
        .min()?;
    let last = promotions
        .iter()
        .filter(|(acknowledged, promoted)| *acknowledged <= fault.healed && *promoted >= fault.from)
        .map(|(_, promoted)| *promoted)
        .max()?;
    let end = first.max(last);
    let alone = all
        .iter()
        .all(|other| std::ptr::eq(other, fault) || other.healed < fault.from || other.from > end);
    let since = if fault.fault.is_taken_over() {
        fault.from
    } else {
        fault.healed
    };
    let last = (last.as_millisecond() - since.as_millisecond()).max(0);
    alone.then(|| (after(first), last))
}

impl Spread {
    /// The percentiles of these samples.
    pub fn of(mut samples: Vec<i64>) -> Self {
        samples.sort_unstable();
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100).max(1);
            samples.get(rank - 1).copied()
        };
        Self {
            p50: at(50),
            p99: at(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Node};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    fn injected(fault: Fault, from: i64, healed: i64) -> Injected {
        Injected {
            fault,
            from: at(from),
            healed: at(healed),
        }
    }

    #[test]
    fn recovery_counts_from_the_end_or_where_others_take_over_from_the_beginning() {
        let promotions = [(900, 950), (1_500, 2_300), (1_600, 4_000), (2_500, 2_550)];
        let promotions =
            promotions.map(|(acknowledged, promoted)| (at(acknowledged), at(promoted)));
        let redis = [injected(Fault::Kill(Node::Redis(1)), 1_000, 2_000)];
        assert_eq!(measure(&redis[0], &redis, &promotions), Some((300, 2_000)));
        let worker = [injected(Fault::Kill(Node::Worker(1)), 1_000, 2_000)];
        assert_eq!(
            measure(&worker[0], &worker, &promotions),
            Some((300, 3_000))
        );
    }

    #[test]
    fn a_fault_with_another_one_in_its_recovery_is_not_measured() {
        let promotions = [(at(1_500), at(2_300))];
        let kill = |from, healed| injected(Fault::Kill(Node::Redis(1)), from, healed);
        let overlapping = [kill(1_000, 2_000), kill(2_200, 2_250)];
        assert_eq!(measure(&overlapping[0], &overlapping, &promotions), None);
        let apart = [kill(1_000, 2_000), kill(2_400, 2_450)];
        assert_eq!(measure(&apart[0], &apart, &promotions), Some((300, 300)));
        assert_eq!(
            measure(&apart[1], &apart, &promotions),
            None,
            "nothing waited"
        );
    }

    #[test]
    fn a_spread_takes_the_nearest_rank() {
        assert_eq!(Spread::of(Vec::new()), Spread::default());
        let hundred = Spread::of((1..=100).rev().collect());
        assert_eq!((hundred.p50, hundred.p99), (Some(50), Some(99)));
        let one = Spread::of(vec![7]);
        assert_eq!((one.p50, one.p99), (Some(7), Some(7)));
    }
}
