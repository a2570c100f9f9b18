//! Confirms: a payer names a payment, and a worker asks the gateway about it.
//!
//! The gateway blocks clients that ask too often, so all workers together ask once a second. Confirms wait apart from the
//! stream, so that they never delay a notify. Each turn moves one into the stream. Confirms that waited there behind
//! notifies would be asked in one burst, so a worker takes a second turn right before it asks.
//!
//! Turns go round by asker: with 45 people who ask all the time, a new person's first confirm waits for 45 turns. Anybody can
//! invent orders that are not in Redis, so all of these share one asker's turns. A confirm whose order has become a code
//! takes no turn. The number of waiting confirms is bounded per asker and in total. Above the bound a confirm is not
//! queued, and the payer asks again.

use std::{fmt, net::IpAddr, time::Duration};

use redis::{AsyncCommands, FromRedisValue, RedisResult, Value, from_redis_value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Cause, Event, Partition, Queue};
use crate::{
    backoff::Backoff,
    failpoint::{self, Failpoint},
    gateway::PaymentRef,
    order::{OpenId, PAID_TTL},
    outage,
    redis::{Script, WriteError},
};

/// At most one confirm for each order in this time.
const SAME_ORDER_EVERY: Duration = Duration::from_secs(30);
/// Minimum time between two queries to the gateway, over all workers.
const TURN: Duration = Duration::from_secs(1);
/// Maximum number of confirms that one turn moves into the stream: those before the last need no query.
const MOST_AT_ONCE: usize = 100;
/// How often a worker checks for waiting confirms.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// TTL of an asker's set of confirms, in case their end was missed. Longer than the longest wait.
const ASKER_TTL: Duration = Duration::from_secs(4 * 3600);
/// TTL of an order after a confirm, until the gateway has answered. Shorter than after a notify, to distinguish the two.
const CONFIRM_TTL: Duration = PAID_TTL.saturating_sub(Duration::from_secs(3600));
/// Maximum number of waiting confirms in one partition.
const MOST_WAITING: usize = 10_000;
/// Maximum number of waiting confirms of one asker in one partition. In practice it bounds the networks, which share one
/// asker's turns: anybody can make up orders that are not in Redis.
const MOST_ROUNDS: usize = 500;
/// Maximum number of queued confirms of one person.
const MOST_OF_A_PERSON: usize = 5;
/// Maximum number of queued confirms of one network.
const MOST_OF_A_NETWORK: usize = 2;
/// Number of rounds by which a retried confirm is delayed.
pub(super) const BEHIND_AFTER_RETRY: usize = MOST_OF_A_PERSON;
/// Prefix of an asker's name if it is a person.
const PERSON: &str = "person:";
/// The asker's name that all networks share.
const NETWORKS: &str = "networks";

/// The mark of an order that the gateway said was paid.
pub(super) const CONFIRMED: &str = "paid";

/// Who asks. Turns go round by asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// The person whose order is in Redis.
    Person(OpenId),
    /// The client's site (IPv6 /48, IPv4 /24), for an order that is not in Redis.
    Network(IpAddr),
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(openid) => write!(f, "{PERSON}{openid}"),
            Self::Network(network) => write!(f, "network:{network}"),
        }
    }
}

/// The outcome of enqueueing a confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirming {
    /// It now waits for its turn.
    Queued,
    /// The order has a confirm in the queue, or the gateway said that it was paid.
    Waiting,
    /// The gateway was asked about the order recently.
    Asked,
    /// The asker, or all together, have too many in the queue. Ask again later.
    Full,
}

impl FromRedisValue for Confirming {
    fn from_redis_value(value: Value) -> Result<Self, redis::ParsingError> {
        let name: String = from_redis_value(value)?;
        Ok(match name.as_str() {
            "queued" => Self::Queued,
            "waiting" => Self::Waiting,
            "asked" => Self::Asked,
            _ => Self::Full,
        })
    }
}

impl Queue {
    /// Enqueues a confirm, which waits for its turn. An order that is not paid lives for `unpaid_ttl`.
    pub async fn enqueue_confirm(
        &self,
        payment: &PaymentRef,
        asker: &Asker,
        unpaid_ttl: Duration,
    ) -> Result<Confirming, WriteError> {
        let out_trade_no = &payment.out_trade_no;
        let own = match asker {
            Asker::Person(_) => MOST_OF_A_PERSON,
            Asker::Network(_) => MOST_OF_A_NETWORK,
        };
        let mut keys = vec![self.keys.order(out_trade_no)];
        if let Asker::Person(openid) = asker {
            keys.push(self.keys.open(openid));
        }
        let is_network = matches!(asker, Asker::Network(_));
        let asker = asker.to_string();
        let of_rounds = if is_network { NETWORKS } else { &asker };
        let event = Event::new(Cause::Confirm {
            payment: payment.clone(),
            asker: asker.clone(),
            has_turn: false,
            expiry: None,
        });
        let member = serde_json::Value::from_iter(event.owned_fields()).to_string();
        let partition = self.keys.partition(out_trade_no);
        // Sends the script's text, since a write cannot load a script that Redis does not know.
        let mut write = redis::cmd("EVAL");
        write
            .arg(include_str!("lua/confirm.lua"))
            .arg(5 + keys.len())
            .arg(self.keys.confirm(out_trade_no))
            .arg(self.keys.confirms_of(partition, &asker))
            .arg(self.keys.confirms(partition))
            .arg(self.keys.confirm_turns(partition))
            .arg(self.keys.next_round(partition, of_rounds))
            .arg(keys)
            .arg(out_trade_no.as_str())
            .arg(SAME_ORDER_EVERY.as_secs())
            .arg(own)
            .arg(MOST_WAITING)
            .arg(MOST_ROUNDS)
            .arg(ASKER_TTL.as_secs())
            .arg(CONFIRM_TTL.as_secs() * 1000)
            .arg(unpaid_ttl.as_secs() * 1000)
            .arg(member);
        failpoint::reach(Failpoint::ConfirmBefore);
        let mut answers = self.redis.write(vec![write]).await?;
        failpoint::reach(Failpoint::ConfirmAfter);
        let answer = answers.pop().unwrap_or(Value::Nil);
        Ok(from_redis_value(answer).map_err(redis::RedisError::from)?)
    }

    /// Moves the next confirm into the stream, at most one a second over all workers. Tries the partitions after `last`
    /// first. Returns the partition that had the turn; none if no confirm waits or another worker took the turn.
    async fn take_turn(&self, last: Option<Partition>) -> RedisResult<Option<Partition>> {
        let Some(partition) = self.next_with_confirms(last).await? else {
            return Ok(None);
        };
        if self.take(self.keys.check()).await?.is_some() {
            return Ok(None);
        }
        failpoint::reach(Failpoint::ConfirmTurn);
        let () = Script::new(concat!(
            include_str!("lua/fields_of.lua"),
            include_str!("lua/next_confirm.lua")
        ))
        .key(self.keys.confirms(partition))
        .key(self.keys.notify(partition))
        .key(self.keys.confirm_turns(partition))
        .arg(self.keys.orders(partition))
        .arg(MOST_AT_ONCE)
        .invoke_async(&mut self.connection())
        .await?;
        Ok(Some(partition))
    }

    /// Takes the turn to ask the gateway. If it is not free, returns the time until it is.
    pub async fn take_question(&self) -> RedisResult<Option<Duration>> {
        self.take(self.keys.question()).await
    }

    async fn take(&self, turn: String) -> RedisResult<Option<Duration>> {
        let left: u64 = Script::new(include_str!("lua/take_turn.lua"))
            .key(turn)
            .arg(u64::try_from(TURN.as_millis()).unwrap_or(u64::MAX))
            .invoke_async(&mut self.connection())
            .await?;
        Ok((left > 0).then(|| Duration::from_millis(left)))
    }

    /// Restores the expiry that the order of an unpaid confirm had before. Leaves an order alone that a notify has reported
    /// since.
    pub async fn let_expire(&self, confirm: &Event) -> RedisResult<()> {
        let Cause::Confirm {
            payment,
            asker,
            expiry: Some(expiry),
            ..
        } = &confirm.cause
        else {
            return Ok(());
        };
        let out_trade_no = &payment.out_trade_no;
        let script = Script::new(include_str!("lua/let_expire.lua"));
        let mut call = script.prepare_invoke();
        call.key(self.keys.order(out_trade_no));
        if let Some(Ok(openid)) = asker.strip_prefix(PERSON).map(str::parse) {
            call.key(self.keys.open(&openid));
        }
        call.arg(out_trade_no.as_str()).arg(expiry);
        call.invoke_async(&mut self.connection()).await
    }

    async fn next_with_confirms(&self, last: Option<Partition>) -> RedisResult<Option<Partition>> {
        let after = self.keys.partitions().filter(|one| Some(*one) > last);
        let before = self.keys.partitions().filter(|one| Some(*one) <= last);
        // An unavailable master does not delay the other partitions.
        let mut failed = None;
        for partition in after.chain(before) {
            let mut redis = self.connection();
            match redis.zcard(self.keys.confirms(partition)).await {
                Ok(0_usize) => {}
                Ok(_) => return Ok(Some(partition)),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

/// Gives confirms their turns until stopped, while `gate` is open. Any number of workers may do so concurrently.
pub async fn watch(queue: Queue, gate: watch::Receiver<bool>, stop: CancellationToken) {
    let mut backoff = Backoff::reconnect();
    let mut last = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
        if !*gate.borrow() {
            continue;
        }
        match queue.take_turn(last).await {
            Ok(partition) => {
                last = partition.or(last);
                backoff.reset();
            }
            Err(error) => {
                outage::report("cannot give confirms their turn, trying again", &error);
                backoff.wait().await;
            }
        }
    }
}
