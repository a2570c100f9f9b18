//! The names of the keys.

use jiff::Timestamp;

use crate::gateway::PaymentRef;
use crate::order::{OpenId, OutTradeNo};

/// A part of the queue; 0 if there is only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u16);

impl Partition {
    /// Its number in the names of keys.
    pub(super) fn number(self) -> u16 {
        self.0
    }
}

/// Makes all keys of Heyi in Redis.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
    partitions: u16,
}

impl Keys {
    /// Keys with this prefix, in `partitions` partitions.
    pub fn new(prefix: &str, partitions: u16) -> Self {
        Self {
            prefix: prefix.to_owned(),
            partitions: partitions.max(1),
        }
    }

    /// Every partition.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        (0..self.partitions).map(Partition)
    }

    /// The first partition, which always exists.
    pub fn first(&self) -> Partition {
        Partition(0)
    }

    /// The partition of an order and of all its keys.
    pub fn partition(&self, out_trade_no: &OutTradeNo) -> Partition {
        self.partition_of(out_trade_no.as_str())
    }

    /// The partition of a person and of all orders of that person, since their numbers are drawn to match.
    pub fn partition_of_person(&self, openid: &OpenId) -> Partition {
        self.partition_of(openid.as_str())
    }

    /// A fresh number for an order of this person, in the partition of the person.
    pub fn draw_number(&self, openid: &OpenId) -> OutTradeNo {
        let partition = self.partition_of_person(openid);
        OutTradeNo::draw(Timestamp::now(), |number| {
            self.partition(number) == partition
        })
    }

    fn partition_of(&self, text: &str) -> Partition {
        Partition(crc16::State::<crc16::XMODEM>::calculate(text.as_bytes()) % self.partitions)
    }

    /// The open orders of a person, in the partition of all orders of that person.
    pub fn open(&self, openid: &OpenId) -> String {
        self.of_person("open", openid)
    }

    /// The mark of a signature that made an order, in the partition of its person.
    pub fn signed(&self, openid: &OpenId, signature: &str) -> String {
        let partition = self.partition_of_person(openid);
        self.of(partition, &format!("signed:{signature}"))
    }

    /// The prefix of the keys of all orders in a partition.
    pub(super) fn orders(&self, partition: Partition) -> String {
        self.of(partition, "order:")
    }

    /// The pending order.
    pub fn order(&self, out_trade_no: &OutTradeNo) -> String {
        self.of_order("order", out_trade_no)
    }

    /// The reason of an order's dead letter.
    pub fn failed(&self, out_trade_no: &OutTradeNo) -> String {
        self.of_order("failed", out_trade_no)
    }

    /// The mark that a confirm was queued recently.
    pub fn confirm(&self, out_trade_no: &OutTradeNo) -> String {
        self.of_order("confirm", out_trade_no)
    }

    /// The record of the installation. It has no partition, since it records their number.
    pub fn installation(&self) -> String {
        format!("{}installation", self.prefix)
    }

    /// The stream of events.
    pub fn notify(&self, partition: Partition) -> String {
        self.of(partition, "notify")
    }

    /// Events that wait for their next attempt.
    pub fn retry(&self, partition: Partition) -> String {
        self.of(partition, "notify:retry")
    }

    /// Dead letters.
    pub fn dead(&self, partition: Partition) -> String {
        self.of(partition, "notify:dead")
    }

    /// Events with an invalid signature.
    pub fn rejected(&self, partition: Partition) -> String {
        self.of(partition, "notify:rejected")
    }

    /// The heartbeats of all consumers.
    pub fn heartbeats(&self, partition: Partition) -> String {
        self.of(partition, "notify:heartbeats")
    }

    /// Confirms that wait for their turn.
    pub fn confirms(&self, partition: Partition) -> String {
        self.of(partition, "confirms")
    }

    /// The current round of confirms, and how many have waited.
    pub fn confirm_turns(&self, partition: Partition) -> String {
        self.of(partition, "confirms:turns")
    }

    /// The round in which an asker has the next turn.
    pub fn next_round(&self, partition: Partition, asker: &str) -> String {
        self.of(partition, &format!("confirms:next:{asker}"))
    }

    /// The orders for which an asker has a confirm in the queue.
    pub fn confirms_of(&self, partition: Partition, asker: &str) -> String {
        self.of(partition, &format!("confirms:{asker}"))
    }

    /// The dead letter of a payment.
    pub fn letter(&self, payment: &PaymentRef) -> String {
        self.of(
            self.partition(&payment.out_trade_no),
            &format!("letter:{}:{}", payment.gateway.name(), payment.payment_id),
        )
    }

    /// The mark of a letter about a payment that only a confirm named.
    pub(super) fn named_letter(&self, payment: &PaymentRef) -> String {
        self.of(
            self.partition(&payment.out_trade_no),
            &format!(
                "letter:named:{}:{}",
                payment.gateway.name(),
                payment.payment_id
            ),
        )
    }

    /// The lock of the turn to move a confirm into the stream.
    pub fn check(&self) -> String {
        format!("{}check", self.prefix)
    }

    /// The lock of the turn to ask the gateway.
    pub fn question(&self) -> String {
        format!("{}check:question", self.prefix)
    }

    /// The record of a proxy that an api does not trust.
    pub fn untrusted_proxy(&self) -> String {
        format!("{}seen:untrusted_proxy", self.prefix)
    }

    /// Counted scans that are not yet aggregated. All keys of scans are in the slot of the first partition.
    pub fn scans(&self) -> String {
        self.of(Partition(0), "scans")
    }

    /// The scans that are being aggregated.
    pub fn scans_aggregating(&self) -> String {
        self.of(Partition(0), "scans:aggregating")
    }

    /// The number of the last aggregation that was started.
    pub fn scans_aggregation(&self) -> String {
        self.of(Partition(0), "scans:aggregation")
    }

    /// The number of the last batch of scans that a process has added.
    pub fn scans_flushed(&self, process: &str) -> String {
        self.of(Partition(0), &format!("scans:flushed:{process}"))
    }

    fn of_order(&self, kind: &str, out_trade_no: &OutTradeNo) -> String {
        self.of(
            self.partition(out_trade_no),
            &format!("{kind}:{out_trade_no}"),
        )
    }

    /// The mark of a person who may not make orders, in the partition of all orders of that person.
    pub fn blocked(&self, openid: &OpenId) -> String {
        self.of_person("blocked", openid)
    }

    fn of_person(&self, kind: &str, openid: &OpenId) -> String {
        self.of(
            self.partition_of_person(openid),
            &format!("{kind}:{openid}"),
        )
    }

    fn of(&self, partition: Partition, name: &str) -> String {
        if self.partitions == 1 {
            [&self.prefix, name].concat()
        } else {
            format!("{}{{{}}}:{name}", self.prefix, partition.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_partition_has_no_tag_and_more_have_theirs() {
        let number: OutTradeNo = "123456789".parse().unwrap();
        let one = Keys::new("heyi:", 1);
        assert_eq!(one.order(&number), "heyi:order:123456789");
        assert_eq!(one.notify(one.partition(&number)), "heyi:notify");
        // The specification of Redis Cluster: CRC16/XMODEM of "123456789" is 0x31C3 = 12739.
        let many = Keys::new("heyi:", 16);
        assert_eq!(many.order(&number), "heyi:{3}:order:123456789");
        assert_eq!(many.retry(many.partition(&number)), "heyi:{3}:notify:retry");
        assert_eq!(many.partitions().count(), 16);
    }

    #[test]
    fn an_order_is_drawn_into_the_partition_of_its_person() {
        for partitions in [1, 2, 16, 1024] {
            let keys = Keys::new("heyi:", partitions);
            for number in 0..20 {
                let openid: OpenId = format!("oPerson{number}").parse().unwrap();
                let drawn = keys.draw_number(&openid);
                assert_eq!(keys.partition(&drawn), keys.partition_of_person(&openid));
            }
        }
        let openid: OpenId = "oPerson".parse().unwrap();
        assert_eq!(Keys::new("heyi:", 1).open(&openid), "heyi:open:oPerson");
    }
}
