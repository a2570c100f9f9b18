//! Dead letters and rejected events, for an operator.

use std::{cmp::Reverse, collections::BTreeMap, fmt, str::FromStr};

use redis::{
    AsyncCommands, RedisResult,
    streams::{StreamId, StreamRangeReply},
};
use serde::Serialize;

use super::{
    Event, Partition, Queue,
    event::{ANSWER, ASKER, BODY, CONFIRM, GATEWAY, fields_of},
    settle::FAILED_TTL_SECONDS,
};
use crate::{
    failpoint::{self, Failpoint},
    gateway::PaymentRef,
    order::{Fee, OutTradeNo},
    redis::Script,
};

/// How long a payment gets no other dead letter after its letter was dropped: a year.
const DROPPED_TTL_SECONDS: u64 = 366 * 24 * 3600;

/// The mark of an order whose payment was refunded.
pub const REFUNDED: &str = "refunded";

/// An entry of the dead or the rejected stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Its id. With several partitions its partition follows, as in `1795354186600-0@7`, since ids are unique only within a
    /// partition.
    pub id: String,
    #[serde(skip)]
    entry: String,
    #[serde(skip)]
    partition: Partition,
    #[serde(skip)]
    stream: String,
    /// Its fields, as redis-cli shows them.
    #[serde(flatten)]
    pub fields: BTreeMap<String, String>,
}

impl Letter {
    /// The value of a field; empty if it does not exist.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The number of its order; empty if it names none.
    pub fn out_trade_no(&self) -> String {
        let number = self.event().and_then(|event| event.out_trade_no());
        number.map(String::from).unwrap_or_default()
    }

    /// The amount that the gateway reported, if any.
    pub fn total_fee(&self) -> Option<Fee> {
        self.event()?.reported()?.total_fee
    }

    /// Its time and its number within that millisecond.
    fn age(&self) -> EntryId {
        // Redis's ids always parse.
        self.entry.parse().unwrap_or_default()
    }

    /// The payment that the gateway reported; none if the letter is about something else.
    pub fn payment(&self) -> Option<PaymentRef> {
        self.event()?.payment()
    }

    fn event(&self) -> Option<Event> {
        Event::from_fields(&self.event_fields()).ok()
    }

    /// The fields of the original event, reset to its first attempt.
    fn event_fields(&self) -> BTreeMap<String, String> {
        let is_event = |name: &str| {
            matches!(
                name,
                GATEWAY | BODY | ANSWER | CONFIRM | ASKER | "received_at"
            ) || (name == "out_trade_no" && self.fields.contains_key(CONFIRM))
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

/// Which page of a list of letters is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Maximum number of letters. More only if they have the same time as the last one.
    pub most: usize,
    /// Only those that are older than this one.
    pub before: Option<LetterId>,
}

impl Page {
    /// The newest.
    pub fn newest(most: usize) -> Self {
        Self { most, before: None }
    }
}

/// The name of a letter, as `dead list` shows it or without its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterId {
    entry: EntryId,
    partition: Option<u16>,
}

/// Milliseconds and a number, of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct EntryId(u64, u64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)?;
        self.partition
            .map_or(Ok(()), |partition| write!(f, "@{partition}"))
    }
}

/// The text is not the id of a letter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an id looks like 1795354186600-0 or 1795354186600-0@7")]
pub struct NoLetterId;

impl FromStr for LetterId {
    type Err = NoLetterId;

    fn from_str(text: &str) -> Result<Self, NoLetterId> {
        let text = text.trim();
        let (entry, partition) = match text.split_once('@') {
            Some((entry, partition)) => (entry, Some(partition.parse().map_err(|_| NoLetterId)?)),
            None => (text, None),
        };
        Ok(Self {
            entry: entry.parse()?,
            partition,
        })
    }
}

impl FromStr for EntryId {
    type Err = NoLetterId;

    fn from_str(text: &str) -> Result<Self, NoLetterId> {
        let (time, number) = text.split_once('-').ok_or(NoLetterId)?;
        let parse = |digits: &str| digits.parse().map_err(|_| NoLetterId);
        Ok(Self(parse(time)?, parse(number)?))
    }
}

impl Queue {
    /// Dead letters, newest first.
    pub async fn dead_letters(&self, page: Page) -> RedisResult<Vec<Letter>> {
        self.newest(Self::dead_key, page).await
    }

    /// Rejected events, newest first.
    pub async fn rejected(&self, page: Page) -> RedisResult<Vec<Letter>> {
        self.newest(Self::rejected_key, page).await
    }

    /// The dead letters with this id. More than one only if the id names no partition.
    pub async fn dead_letter(&self, id: LetterId) -> RedisResult<Vec<Letter>> {
        self.letter(Self::dead_key, id).await
    }

    /// The rejected events with this id. More than one only if the id names no partition.
    pub async fn rejected_event(&self, id: LetterId) -> RedisResult<Vec<Letter>> {
        self.letter(Self::rejected_key, id).await
    }

    /// Enqueues a dead letter or a rejected event again. False if it no longer exists.
    pub async fn replay(&self, letter: &Letter) -> RedisResult<bool> {
        let script = Script::new(include_str!("lua/replay.lua"));
        let mut call = script.prepare_invoke();
        call.key(&letter.stream)
            .key(self.keys.notify(letter.partition))
            .arg(&letter.entry);
        // A rejected event made no letter; a letter of the same payment stays.
        if letter.stream == self.keys.dead(letter.partition)
            && let Some(mark) = self.mark_of(letter)
        {
            call.key(mark);
        }
        for (name, value) in letter.event_fields() {
            call.arg(name).arg(value);
        }
        let is_queued = call.invoke_async(&mut self.connection()).await?;
        failpoint::reach(Failpoint::Replayed);
        Ok(is_queued)
    }

    /// Drops a dead letter. False if it no longer exists.
    pub async fn drop_letter(&self, letter: &Letter) -> RedisResult<bool> {
        let script = Script::new(include_str!("lua/drop.lua"));
        let mut call = script.prepare_invoke();
        call.key(&letter.stream)
            .arg(&letter.entry)
            .arg(DROPPED_TTL_SECONDS);
        if let Some(mark) = self.mark_of(letter) {
            call.key(mark);
        }
        let is_dropped = call.invoke_async(&mut self.connection()).await?;
        failpoint::reach(Failpoint::LetterDropped);
        Ok(is_dropped)
    }

    /// Whether a payment has a dead letter, or had one that was dropped.
    pub async fn has_letter(&self, payment: &PaymentRef) -> RedisResult<bool> {
        self.connection().exists(self.keys.letter(payment)).await
    }

    /// Why the order ended without a promotion, if it did.
    pub async fn failure(&self, out_trade_no: &OutTradeNo) -> RedisResult<Option<String>> {
        self.connection().get(self.keys.failed(out_trade_no)).await
    }

    /// The mark that prevents a second letter for the payment of a letter.
    fn mark_of(&self, letter: &Letter) -> Option<String> {
        let event = Event::from_fields(&letter.event_fields()).ok()?;
        self.letter_of(&event).map(|(_, mark)| mark)
    }

    fn dead_key(&self, partition: Partition) -> String {
        self.keys.dead(partition)
    }

    fn rejected_key(&self, partition: Partition) -> String {
        self.keys.rejected(partition)
    }

    /// Records that the payment of an order was refunded.
    pub async fn mark_refunded(&self, out_trade_no: &OutTradeNo) -> RedisResult<()> {
        Script::new(include_str!("lua/mark_refunded.lua"))
            .key(self.keys.failed(out_trade_no))
            .arg(REFUNDED)
            .arg(FAILED_TTL_SECONDS)
            .invoke_async(&mut self.connection())
            .await
    }

    async fn letter(
        &self,
        key: fn(&Self, Partition) -> String,
        id: LetterId,
    ) -> RedisResult<Vec<Letter>> {
        let mut letters = Vec::new();
        let entry = id.entry.to_string();
        for partition in self.keys.partitions() {
            if id.partition.is_some_and(|it| it != partition.number()) {
                continue;
            }
            let stream = key(self, partition);
            let found = self.connection().xrange(&stream, &entry, &entry).await?;
            letters.extend(self.letters(partition, &stream, &found));
        }
        Ok(letters)
    }

    async fn newest(
        &self,
        key: fn(&Self, Partition) -> String,
        page: Page,
    ) -> RedisResult<Vec<Letter>> {
        let mut letters = Vec::new();
        let end = page
            .before
            .map_or_else(|| "+".to_owned(), |it| format!("({}", it.entry));
        for partition in self.keys.partitions() {
            let stream = key(self, partition);
            let mut connection = self.connection();
            let found = connection.xrevrange_count(&stream, &end, "-", page.most);
            letters.extend(self.letters(partition, &stream, &found.await?));
        }
        letters.sort_by_key(|letter| Reverse(letter.age()));
        let last = letters.get(page.most.saturating_sub(1)).map(Letter::age);
        letters.retain(|letter| last.is_none_or(|last| letter.age() >= last));
        Ok(letters)
    }

    fn letters(&self, partition: Partition, stream: &str, found: &StreamRangeReply) -> Vec<Letter> {
        let is_one_of_several = self.keys.partitions().nth(1).is_some();
        let letter = |entry: &StreamId| {
            let mut id = entry.id.clone();
            if is_one_of_several {
                id = format!("{id}@{}", partition.number());
            }
            Letter {
                id,
                entry: entry.id.clone(),
                partition,
                stream: stream.to_owned(),
                fields: fields_of(entry),
            }
        };
        found.ids.iter().map(letter).collect()
    }
}
