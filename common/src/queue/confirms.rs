//! Confirms: payers name a payment, and the gateway must be asked about it.
//!
//! The gateway blocks clients that ask too often, so questions take turns: one a second over all workers. Confirms wait apart from
//! the stream, so that they never delay a notify, and one is moved into the stream for each turn. Those that have had to
//! wait behind notifies there arrive together, so a worker takes a second turn right before it asks. Turns go round by
//! asker: with 45 people who ask all the time, an honest first question waits for 45 turns. Orders that are not in Redis,
//! which anybody can invent, are all asked about by one asker. A confirm whose order has become a code meanwhile takes
//! no turn. What waits is bounded for each asker and in all; a confirm that finds no room is not queued, and the payer
//! asks again.

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
/// One question to the gateway in this time, over all workers.
const TURN: Duration = Duration::from_secs(1);
/// Confirms that go into the stream with one turn, at the most: those before the last need no question.
const MOST_AT_ONCE: usize = 100;
/// How often a worker looks for confirms that wait.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an asker's confirms are remembered when their end was not seen: longer than as many as may wait take.
const ASKER_TTL: Duration = Duration::from_secs(4 * 3600);
/// How long an order lives from a confirm on, until the gateway has answered. Less than after a notify, so that the two can be told
/// apart.
const CONFIRM_TTL: Duration = PAID_TTL.saturating_sub(Duration::from_secs(3600));
/// Confirms that wait in one partition, at the most.
const MOST_WAITING: usize = 10_000;
/// Confirms of one partition that wait for one asker's rounds, at the most. Binding for the networks, which share theirs:
/// anybody can make up orders that are not in Redis.
const MOST_ROUNDS: usize = 500;
/// Confirms of one person on their way.
const MOST_OF_A_PERSON: usize = 5;
/// Confirms of one network on their way.
const MOST_OF_A_NETWORK: usize = 2;
/// Rounds by which a confirm that comes back from a retry is behind.
pub(super) const BEHIND_AFTER_RETRY: usize = MOST_OF_A_PERSON;
/// What the name of an asker begins with that is a person.
const PERSON: &str = "person:";
/// What takes part in the rounds for all networks together.
const NETWORKS: &str = "networks";

/// The mark of an order that the gateway said was paid.
pub(super) const CONFIRMED: &str = "paid";

/// Who asks: turns go round by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// The person whose order is in Redis.
    Person(OpenId),
    /// The client's site (IPv6 /48, IPv4 /24), for an order that is not.
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

/// What became of a confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirming {
    /// It waits for its turn now.
    Queued,
    /// One of the same order is on its way, or the gateway said that the order was paid.
    Waiting,
    /// The order was asked about a moment ago.
    Asked,
    /// The asker has too many on their way, or all have. Ask again later.
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
    /// Lets a confirm wait for its turn. An order that is not paid lives for `unpaid_ttl`.
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
        // With its text, since a write cannot load a script that Redis does not know.
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

    /// Puts the confirm whose turn it is into the stream, at most one a second over all workers. Partitions after
    /// `last` come first. Says which partition had the turn; none when none waits, or another worker had it.
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

    /// Takes the turn to ask the gateway. Says how long another one lasts, when it is not free.
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

    /// The order of a confirm is not paid, so it expires when it would have without. One that a notify has reported since
    /// is left alone.
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
        // A master that is away keeps no other partition from its turn.
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

/// Gives confirms their turns until stopped, while `gate` is open. Any number of workers may do so at the same time.
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
                outage::report("cannot look for confirms, trying again", &error);
                backoff.wait().await;
            }
        }
    }
}
