//! Pending orders in Redis, which expire unless they are paid.

use std::time::Duration;

use futures::future::try_join_all;
use redis::{AsyncCommands, Cmd, RedisError, Value, from_redis_value};

use crate::{
    order::{OpenId, Order, OutTradeNo},
    queue::Keys,
    redis::{Redis, WriteError},
};

/// Number of marks of blocked people that are written concurrently.
const BLOCKED_AT_ONCE: usize = 100;

/// The pending orders.
#[derive(Debug, Clone)]
pub struct PendingOrders {
    redis: Redis,
    keys: Keys,
}

/// Why an order could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PendingOrderError {
    /// Redis did not answer, or refused.
    #[error("Redis did not answer about an order")]
    Redis(#[from] redis::RedisError),
    /// The order could not be written durably.
    #[error("the order cannot be kept")]
    NotKept(#[from] WriteError),
    /// The stored value is not an order.
    #[error("the stored order cannot be read")]
    Broken(#[from] serde_json::Error),
}

/// Conditions for storing a new order.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// TTL of the order unless it is paid.
    pub ttl: Duration,
    /// Maximum number of unpaid orders per person; 0 is no limit.
    pub open_per_person: u32,
    /// The signature, which may make only this order; none sets no limit.
    pub signature: Option<Signature<'a>>,
}

/// A signature, which may make one order.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// In upper-case hex.
    pub text: &'a str,
    /// How long it is remembered: at least as long as it is accepted.
    pub remember_for: Duration,
}

/// The outcome of a new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only a stored order may be paid"]
pub enum Placed {
    /// It is stored.
    Stored,
    /// Its signature has already made another order.
    SignatureUsed,
    /// Its person has the maximum number of unpaid orders.
    TooManyOpen {
        /// Time until the first of them expires.
        first_expires_in: Duration,
    },
    /// An operator blocked its person.
    Blocked,
}

impl PendingOrders {
    /// The pending orders under `keys`.
    pub fn new(redis: Redis, keys: Keys) -> Self {
        Self { redis, keys }
    }

    /// Stores a new order in one round trip, if its signature is new and its person may have one more. Waits for replicas:
    /// if a failover lost the order, the person would pay and get no code.
    pub async fn place(
        &self,
        order: &Order,
        terms: Terms<'_>,
    ) -> Result<Placed, PendingOrderError> {
        let (signature, remember_for) = terms
            .signature
            .map_or(("", Duration::ZERO), |it| (it.text, it.remember_for));
        // Sends the script's text, since a write cannot load a script that Redis does not know.
        let mut put = redis::cmd("EVAL");
        put.arg(include_str!("pending_orders/lua/put_order.lua"))
            .arg(4)
            .arg(self.keys.order(&order.out_trade_no))
            .arg(self.keys.open(&order.openid))
            .arg(self.keys.blocked(&order.openid))
            .arg(self.keys.signed(&order.openid, signature))
            .arg(order.out_trade_no.as_str())
            .arg(serde_json::to_string(order)?)
            .arg(ms(terms.ttl))
            .arg(terms.open_per_person)
            .arg(ms(remember_for));
        let mut answers = self.redis.write(vec![put]).await?;
        Ok(placed(answers.pop().unwrap_or(Value::Nil))?)
    }

    /// Stores an order for `ttl`, without the limit per person.
    pub async fn put(&self, order: &Order, ttl: Duration) -> Result<(), PendingOrderError> {
        let key = self.keys.order(&order.out_trade_no);
        let write = Cmd::set_ex(key, serde_json::to_string(order)?, ttl.as_secs());
        self.redis.write(vec![write]).await?;
        Ok(())
    }

    /// The order, unless it has expired or become a code.
    pub async fn get(&self, out_trade_no: &OutTradeNo) -> Result<Option<Order>, PendingOrderError> {
        let json: Option<String> = self
            .redis
            .shared()
            .get(self.keys.order(out_trade_no))
            .await?;
        Ok(json.map(|json| serde_json::from_str(&json)).transpose()?)
    }

    /// Refuses new orders of these people for `ttl`.
    pub async fn block(&self, people: &[OpenId], ttl: Duration) -> Result<(), PendingOrderError> {
        for people in people.chunks(BLOCKED_AT_ONCE) {
            // Each mark is in the slot of its person.
            try_join_all(people.iter().map(|openid| {
                let mark = Cmd::set_ex(self.keys.blocked(openid), 1, ttl.as_secs());
                self.redis.write(vec![mark])
            }))
            .await?;
        }
        Ok(())
    }

    /// Whether orders of this person are refused.
    pub async fn is_blocked(&self, openid: &OpenId) -> Result<bool, PendingOrderError> {
        Ok(self
            .redis
            .shared()
            .exists(self.keys.blocked(openid))
            .await?)
    }

    /// Allows a person to make orders again.
    pub async fn unblock(&self, openid: &OpenId) -> Result<(), PendingOrderError> {
        let mark = Cmd::del(self.keys.blocked(openid));
        self.redis.write(vec![mark]).await?;
        Ok(())
    }

    /// Removes the order.
    pub async fn remove(&self, out_trade_no: &OutTradeNo) -> Result<(), PendingOrderError> {
        let () = self
            .redis
            .shared()
            .del(self.keys.order(out_trade_no))
            .await?;
        Ok(())
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Parses the answer of `put_order.lua`.
fn placed(answer: Value) -> Result<Placed, RedisError> {
    let answer: Vec<String> = from_redis_value(answer)?;
    match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["stored"] => Ok(Placed::Stored),
        ["blocked"] => Ok(Placed::Blocked),
        ["signature_used"] => Ok(Placed::SignatureUsed),
        ["too_many_open", ms] => Ok(Placed::TooManyOpen {
            first_expires_in: Duration::from_millis(ms.parse().unwrap_or(0)),
        }),
        _ => Err((
            redis::ErrorKind::UnexpectedReturnType,
            "put_order.lua returned something unknown",
        )
            .into()),
    }
}
