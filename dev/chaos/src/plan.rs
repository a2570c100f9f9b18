//! The plan of faults: a function of the seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use heyi_testkit::tcp_proxy::Damage;
use rand::{
    RngExt as _, SeedableRng as _,
    rngs::Xoshiro256PlusPlus,
    seq::{IndexedRandom as _, SliceRandom as _},
};
use serde::Serialize;

use crate::{
    fault::{Fault, Node, Wire},
    topology::Topology,
};

/// The time before the first fault, so that there are orders.
const QUIET_START: Duration = Duration::from_secs(3);
/// The start-up time of a process. It gets no other fault until then.
const START_UP: Duration = Duration::from_secs(3);
/// How long the servers of a store need until all have their role and data again.
const SETTLING: Duration = Duration::from_secs(12);
/// On average one fault in so many runs alone.
const ALONE_OF: u32 = 3;
/// The time limit for a takeover from a killed or frozen worker.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// How often another fault is drawn when the target already has one.
const DRAWS: usize = 6;

/// The faults of a run, by start time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan(Vec<Planned>);

/// A fault and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The time since the start of the run.
    pub at: Duration,
    /// The fault.
    pub fault: Fault,
    /// Its duration.
    pub lasting: Duration,
}

impl Plan {
    /// The plan of this seed. Kinds of faults are drawn from a shuffled deck, so that each occurs. Faults of different parts
    /// overlap. About every third runs alone, so that its recovery can be measured.
    pub fn new(seed: u64, length: Duration, topology: Topology) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (mut deck, mut planned) = (Vec::new(), Vec::new());
        let mut busy: BTreeMap<Part, Duration> = BTreeMap::new();
        let mut time = QUIET_START;
        loop {
            time += millis(&mut rng, 1_000, 4_000);
            let (fault, lasting) = draw(&mut rng, &mut deck, topology, &busy, time);
            let parts = parts(fault, topology);
            let alone = rng.random_ratio(1, ALONE_OF);
            let free = if alone {
                busy.values().max()
            } else {
                parts.iter().filter_map(|part| busy.get(part)).max()
            };
            let at = free.copied().unwrap_or_default().max(time);
            let end = at + lasting;
            if end > length {
                break;
            }
            let start_up = |part: &Part| part.start_up(topology);
            let works = end + parts.iter().map(start_up).max().unwrap_or_default();
            for part in parts {
                busy.insert(part, end + part.start_up(topology));
            }
            if alone {
                let taken_over = if fault.is_taken_over() {
                    at + TAKEN_OVER
                } else {
                    end
                };
                time = taken_over.max(works);
            }
            if fault == Fault::KillAll {
                time = time.max(end);
            }
            planned.push(Planned { at, fault, lasting });
        }
        planned.sort_by_key(|planned: &Planned| planned.at);
        Self(planned)
    }

    /// The faults by start time.
    pub fn faults(&self) -> &[Planned] {
        &self.0
    }
}

/// The target of a fault. It has one fault at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Node(Node),
    Wire(Wire),
}

impl Part {
    fn start_up(self, topology: Topology) -> Duration {
        match self {
            Part::Node(Node::Redis(_) | Node::Mongo) if topology != Topology::Single => SETTLING,
            Part::Node(_) | Part::Wire(_) => START_UP,
        }
    }
}

fn parts(fault: Fault, topology: Topology) -> Vec<Part> {
    match fault {
        Fault::Kill(node) | Fault::Stop(node) | Fault::Freeze(node) | Fault::HandOver(node) => {
            vec![Part::Node(node.whole())]
        }
        Fault::Wire(wire, _) => vec![Part::Wire(wire)],
        Fault::KillAll => {
            let nodes = topology.nodes().into_iter();
            let wholes: BTreeSet<Node> = nodes.map(Node::whole).collect();
            wholes.into_iter().map(Part::Node).collect()
        }
        Fault::FlushScripts | Fault::FullMemory | Fault::OrderFlood | Fault::ClockJump(_) => {
            vec![Part::Node(Node::Redis(1))]
        }
    }
}

/// A kind of fault without its details.
#[derive(Debug, Clone, Copy)]
enum Card {
    Kill(Node),
    Freeze(Node),
    Stop(Node),
    HandOver(Node),
    Wire(
        &'static str,
        &'static str,
        fn(&mut Xoshiro256PlusPlus) -> Damage,
    ),
    KillAll,
    FlushScripts,
    FullMemory,
    OrderFlood,
    ClockJump,
}

fn draw(
    rng: &mut Xoshiro256PlusPlus,
    deck: &mut Vec<Card>,
    topology: Topology,
    busy: &BTreeMap<Part, Duration>,
    time: Duration,
) -> (Fault, Duration) {
    let mut drawn = None;
    for _ in 0..DRAWS {
        if deck.is_empty() {
            *deck = full_deck(topology);
            deck.shuffle(rng);
        }
        let Some(card) = deck.pop() else { continue };
        let (fault, lasting) = detail(rng, card, topology);
        drawn = Some((fault, lasting));
        let is_busy = |part| busy.get(part).is_some_and(|until| *until > time);
        if !parts(fault, topology).iter().any(is_busy) {
            break;
        }
        // It is drawn later.
        deck.insert(0, card);
    }
    drawn.unwrap_or((Fault::FlushScripts, Duration::ZERO))
}

fn full_deck(topology: Topology) -> Vec<Card> {
    let mut deck = vec![
        Card::KillAll,
        Card::FlushScripts,
        Card::FullMemory,
        Card::OrderFlood,
        Card::ClockJump,
    ];
    // Masters count twice, since failovers matter most.
    for node in topology.nodes().into_iter().chain(topology.masters()) {
        deck.extend([Card::Kill(node), Card::Freeze(node)]);
        if matches!(node, Node::Api(_) | Node::Worker(_)) {
            deck.push(Card::Stop(node));
        }
    }
    deck.extend(topology.masters().into_iter().map(Card::HandOver));
    let mut kinds: Vec<_> = topology
        .wires()
        .into_iter()
        .map(|wire| (wire.from.kind(), wire.to.kind()))
        .collect();
    kinds.dedup();
    for (from, to) in kinds {
        let damages: [fn(&mut Xoshiro256PlusPlus) -> Damage; 4] = [
            |_| Damage::Cut,
            |_| Damage::HalfOpen,
            |rng| Damage::Delayed(millis(rng, 20, 1_500)),
            |rng| Damage::Slow(rng.random_range(200..20_000)),
        ];
        deck.extend(damages.map(|damage| Card::Wire(from, to, damage)));
    }
    deck
}

fn detail(rng: &mut Xoshiro256PlusPlus, card: Card, topology: Topology) -> (Fault, Duration) {
    match card {
        Card::Kill(node) => {
            // With replicas, sometimes longer than a failover takes.
            let is_heyi = matches!(node, Node::Api(_) | Node::Worker(_));
            let has_copies = topology != Topology::Single && !is_heyi;
            let longest = if has_copies { 12_000 } else { 5_000 };
            (Fault::Kill(node), millis(rng, 300, longest))
        }
        Card::Stop(node) => (Fault::Stop(node), millis(rng, 300, 3_000)),
        Card::Freeze(node) => (Fault::Freeze(node), millis(rng, 2_000, 12_000)),
        Card::HandOver(node) => (Fault::HandOver(node), Duration::ZERO),
        Card::Wire(from, to, damage) => {
            let wires = topology.wires();
            let alike: Vec<Wire> = wires
                .into_iter()
                .filter(|wire| (wire.from.kind(), wire.to.kind()) == (from, to))
                .collect();
            let damage = damage(rng);
            let fault = alike
                .choose(rng)
                .map_or(Fault::FlushScripts, |wire| Fault::Wire(*wire, damage));
            (fault, millis(rng, 1_000, 12_000))
        }
        Card::KillAll => (Fault::KillAll, millis(rng, 300, 2_000)),
        Card::FlushScripts => (Fault::FlushScripts, Duration::ZERO),
        Card::FullMemory => (Fault::FullMemory, millis(rng, 1_000, 8_000)),
        // Long enough to fill some MiB, and some seconds more.
        Card::OrderFlood => (Fault::OrderFlood, millis(rng, 15_000, 25_000)),
        Card::ClockJump => {
            let by = rng.random_range(-3_600_000..3_600_000);
            (Fault::ClockJump(by), Duration::ZERO)
        }
    }
}

fn millis(rng: &mut Xoshiro256PlusPlus, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.random_range(from..to))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(30 * 60);

    fn plan(seed: u64, topology: Topology) -> Plan {
        Plan::new(seed, LENGTH, topology)
    }

    #[test]
    fn the_plan_is_a_function_of_the_seed_and_the_topology() {
        for topology in Topology::value_variants() {
            let plan = |seed| plan(seed, *topology);
            assert_eq!(plan(7), plan(7));
            assert_ne!(plan(7), plan(8));
            let shorter = Plan::new(7, Duration::from_secs(120), *topology);
            assert!(shorter.faults().len() > 5);
            assert!(plan(7).faults().starts_with(&shorter.faults()[..5]));
        }
    }

    #[test]
    fn every_kind_gets_its_turn() {
        let count = |topology| {
            let plan = plan(7, topology);
            let kinds = plan.faults().iter().map(|planned| planned.fault.kind());
            kinds.collect::<BTreeSet<_>>().len()
        };
        // Kinds of nodes killed and frozen, 2 stopped, wires in 4 ways, 5 others, 2 hand-overs.
        assert_eq!(count(Topology::Single), 4 * 2 + 2 + 6 * 4 + 5);
        assert_eq!(count(Topology::Replica), 7 * 2 + 2 + 2 * 4 + 5 + 2);
        assert_eq!(count(Topology::Cluster), 6 * 2 + 2 + 2 * 4 + 5 + 2);
    }

    #[test]
    fn nothing_is_broken_twice_at_a_time_and_all_is_healed_at_the_end() {
        for (seed, topology) in (0..20).flat_map(|seed| {
            let topologies = Topology::value_variants().iter();
            topologies.map(move |topology| (seed, *topology))
        }) {
            let mut busy: BTreeMap<Part, Duration> = BTreeMap::new();
            for planned in plan(seed, topology).faults() {
                let end = planned.at + planned.lasting;
                assert!(end <= LENGTH, "{planned:?}");
                for part in parts(planned.fault, topology) {
                    let free = busy.insert(part, end).unwrap_or_default();
                    assert!(free <= planned.at, "seed {seed}: {planned:?}");
                }
            }
        }
    }

    #[test]
    fn faults_overlap() {
        let plan = plan(7, Topology::Single);
        let overlaps = plan
            .faults()
            .windows(2)
            .filter(|pair| pair[0].at + pair[0].lasting > pair[1].at)
            .count();
        assert!(overlaps * 4 > plan.faults().len(), "{overlaps}");
    }
}
