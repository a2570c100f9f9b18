//! Faults and the nodes that they affect.

use std::fmt;

use heyi_testkit::tcp_proxy::Damage;
use serde::{Serialize, Serializer};

/// One of the processes, or PayJS, which no fault breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// An api, from 1.
    Api(u8),
    /// A worker, from 1.
    Worker(u8),
    /// The master of a pair of Redis servers, from 1, or the only Redis.
    Redis(u8),
    /// The replica of a pair, from 1.
    RedisReplica(u8),
    /// A sentinel, from 1.
    Sentinel(u8),
    /// The primary of MongoDB, or the only server.
    Mongo,
    /// A secondary of MongoDB, from 1.
    MongoSecondary(u8),
    /// PayJS, which the sandbox plays.
    PayJs,
}

/// The path of connections from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wire {
    /// The client.
    pub from: Node,
    /// The server.
    pub to: Node,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and a start at the end.
    Kill(Node),
    /// SIGTERM, as at a deployment, and a start at the end.
    Stop(Node),
    /// SIGSTOP, and SIGCONT at the end.
    Freeze(Node),
    /// A planned failover from this master.
    HandOver(Node),
    /// A damaged wire.
    Wire(Wire, Damage),
    /// All processes are killed at the same time and started again immediately.
    KillAll,
    /// The script cache of every Redis is cleared.
    FlushScripts,
    /// Every Redis is at `maxmemory`, so it refuses writes.
    FullMemory,
    /// Unpaid orders fill Redis until the api refuses new ones.
    OrderFlood,
    /// A single Redis gets a wall clock with this offset in ms. In other topologies failovers depend on the clocks, so only
    /// the due times of parked events move, as after such a jump.
    ClockJump(i64),
}

impl Node {
    /// The kind of the node, without its number.
    pub fn kind(self) -> &'static str {
        match self {
            Node::Api(_) => "api",
            Node::Worker(_) => "worker",
            Node::Redis(_) => "Redis",
            Node::RedisReplica(_) => "Redis replica",
            Node::Sentinel(_) => "sentinel",
            Node::Mongo => "MongoDB",
            Node::MongoSecondary(_) => "MongoDB secondary",
            Node::PayJs => "PayJS",
        }
    }

    /// The unit in which one fault may be active. A store is one unit, so that a copy of all data is left.
    #[must_use]
    pub fn whole(self) -> Self {
        match self {
            Node::RedisReplica(_) | Node::Sentinel(_) | Node::Redis(_) => Node::Redis(1),
            Node::MongoSecondary(_) => Node::Mongo,
            other => other,
        }
    }
}

impl Wire {
    /// The wire from one node to another.
    pub fn new(from: Node, to: Node) -> Self {
        Self { from, to }
    }
}

impl Fault {
    /// The kind under which it is counted.
    pub fn kind(self) -> String {
        match self {
            Fault::Kill(node) => format!("kill {}", node.kind()),
            Fault::Stop(node) => format!("stop {}", node.kind()),
            Fault::Freeze(node) => format!("freeze {}", node.kind()),
            Fault::HandOver(node) => format!("hand over {}", node.kind()),
            Fault::Wire(wire, damage) => {
                let (from, to) = (wire.from.kind(), wire.to.kind());
                format!("{} {from} to {to}", name(&damage))
            }
            Fault::KillAll => "kill all at once".to_owned(),
            Fault::FlushScripts => "SCRIPT FLUSH".to_owned(),
            Fault::FullMemory => "Redis out of memory".to_owned(),
            Fault::OrderFlood => "unpaid orders fill Redis".to_owned(),
            Fault::ClockJump(_) => "clock jump".to_owned(),
        }
    }

    /// Whether other processes take over immediately, so that recovery counts from the fault's start, not its end.
    pub fn is_taken_over(self) -> bool {
        matches!(
            self,
            Fault::Kill(Node::Worker(_)) | Fault::Freeze(Node::Worker(_))
        )
    }
}

fn name(damage: &Damage) -> &'static str {
    match damage {
        Damage::Cut => "cut",
        Damage::Delayed(_) => "delayed",
        Damage::HalfOpen => "half-open",
        Damage::Slow(_) => "slow",
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Api(number)
            | Node::Worker(number)
            | Node::Redis(number)
            | Node::RedisReplica(number)
            | Node::Sentinel(number)
            | Node::MongoSecondary(number) => write!(f, "{} {number}", self.kind()),
            Node::Mongo | Node::PayJs => f.write_str(self.kind()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill(node) => write!(f, "kill {node}"),
            Fault::Stop(node) => write!(f, "stop {node}"),
            Fault::Freeze(node) => write!(f, "freeze {node}"),
            Fault::HandOver(node) => write!(f, "hand over {node}"),
            Fault::Wire(Wire { from, to }, damage) => {
                write!(f, "{} {from} to {to}", name(damage))?;
                match damage {
                    Damage::Delayed(by) => write!(f, " by {} ms", by.as_millis()),
                    Damage::Slow(bytes) => write!(f, " at {bytes} B/s"),
                    Damage::Cut | Damage::HalfOpen => Ok(()),
                }
            }
            Fault::ClockJump(ms) => write!(f, "clock jump of {ms} ms"),
            other => f.write_str(&other.kind()),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
