//! Dead letters and rejected events, for an operator.

use std::collections::BTreeMap;

use redis::{
    AsyncCommands, RedisResult, Script,
    streams::{StreamId, StreamRangeReply},
};
use serde::Serialize;

use super::{Event, Partition, Queue, event::fields_of, settle::FAILED_TTL_SECONDS};
use crate::{
    crash::{self, Point},
    order::OutTradeNo,
};

/// The mark of an order whose payment was given back.
pub const REFUNDED: &str = "refunded";

/// An entry of the dead or the rejected stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Its id.
    pub id: String,
    #[serde(skip)]
    partition: Partition,
    #[serde(skip)]
    stream: String,
    /// Its fields, as redis-cli shows them.
    #[serde(flatten)]
    pub fields: BTreeMap<String, String>,
}

impl Letter {
    /// One of its fields; empty when it has none of that name.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The number of the order that it is about; empty when it names none.
    pub fn out_trade_no(&self) -> String {
        let event = Event::from_fields(&self.event_fields()).ok();
        let number = event.and_then(|event| event.out_trade_no());
        number.map(String::from).unwrap_or_default()
    }

    fn new(partition: Partition, stream: &str, entry: &StreamId) -> Self {
        Self {
            id: entry.id.clone(),
            partition,
            stream: stream.to_owned(),
            fields: fields_of(entry),
        }
    }

    /// The event as it was before it died, ready for its first attempt.
    fn event_fields(&self) -> BTreeMap<String, String> {
        let is_event = |name: &str| {
            matches!(name, "form" | "confirm" | "received_at")
                || (name == "out_trade_no" && self.fields.contains_key("confirm"))
        };
        let mut fields: BTreeMap<_, _> = self
            .fields
            .iter()
            .filter(|(name, _)| is_event(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        fields.insert("attempt".to_owned(), "0".to_owned());
        fields
    }
}

impl Queue {
    /// The newest dead letters, at most `most` a partition.
    pub async fn dead_letters(&self, most: usize) -> RedisResult<Vec<Letter>> {
        self.newest(Self::dead_key, most).await
    }

    /// The newest rejected events, at most `most` a partition.
    pub async fn rejected(&self, most: usize) -> RedisResult<Vec<Letter>> {
        self.newest(Self::rejected_key, most).await
    }

    /// The dead letter with this id.
    pub async fn dead_letter(&self, id: &str) -> RedisResult<Option<Letter>> {
        self.letter(Self::dead_key, id).await
    }

    /// The rejected event with this id.
    pub async fn rejected_event(&self, id: &str) -> RedisResult<Option<Letter>> {
        self.letter(Self::rejected_key, id).await
    }

    /// Puts a dead letter or a rejected event back into the queue. False when it is no longer there.
    pub async fn replay(&self, letter: &Letter) -> RedisResult<bool> {
        let script = Script::new(include_str!("lua/replay.lua"));
        let mut call = script.prepare_invoke();
        call.key(&letter.stream)
            .key(self.keys.notify(letter.partition))
            .arg(&letter.id);
        for (name, value) in letter.event_fields() {
            call.arg(name).arg(value);
        }
        let is_queued = call.invoke_async(&mut self.connection()).await?;
        crash::point(Point::Replayed);
        Ok(is_queued)
    }

    /// Drops a dead letter. False when it is no longer there.
    pub async fn drop_letter(&self, letter: &Letter) -> RedisResult<bool> {
        let is_dropped = self
            .connection()
            .xdel(&letter.stream, &[&letter.id])
            .await?;
        crash::point(Point::LetterDropped);
        Ok(is_dropped)
    }

    /// Why the order ended without a promotion, if it did.
    pub async fn failure(&self, out_trade_no: &OutTradeNo) -> RedisResult<Option<String>> {
        self.connection().get(self.keys.failed(out_trade_no)).await
    }

    fn dead_key(&self, partition: Partition) -> String {
        self.keys.dead(partition)
    }

    fn rejected_key(&self, partition: Partition) -> String {
        self.keys.rejected(partition)
    }

    /// Remembers that the payment of an order was given back.
    pub async fn mark_refunded(&self, out_trade_no: &OutTradeNo) -> RedisResult<()> {
        let key = self.keys.failed(out_trade_no);
        self.connection()
            .set_ex(key, REFUNDED, FAILED_TTL_SECONDS)
            .await
    }

    async fn letter(
        &self,
        key: fn(&Self, Partition) -> String,
        id: &str,
    ) -> RedisResult<Option<Letter>> {
        for partition in self.keys.partitions() {
            let stream = key(self, partition);
            let found: StreamRangeReply = self.connection().xrange(&stream, id, id).await?;
            if let Some(entry) = found.ids.first() {
                return Ok(Some(Letter::new(partition, &stream, entry)));
            }
        }
        Ok(None)
    }

    async fn newest(
        &self,
        key: fn(&Self, Partition) -> String,
        most: usize,
    ) -> RedisResult<Vec<Letter>> {
        let mut letters = Vec::new();
        for partition in self.keys.partitions() {
            let stream = key(self, partition);
            let found: StreamRangeReply = self
                .connection()
                .xrevrange_count(&stream, "+", "-", most)
                .await?;
            letters.extend(
                found
                    .ids
                    .iter()
                    .map(|entry| Letter::new(partition, &stream, entry)),
            );
        }
        Ok(letters)
    }
}
