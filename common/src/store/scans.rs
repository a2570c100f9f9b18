//! Scans: one document per code and day.

use std::{collections::BTreeMap, iter};

use anyhow::anyhow;
use futures::TryStreamExt;
use jiff::civil::Date;
use mongodb::bson::{Document, RawDocumentBuf, doc, oid::ObjectId};
use serde::{Deserialize, Serialize};

use super::{DUPLICATE_KEY, Result, Store, StoreError, decode::decode_all, read};
use crate::failpoint::{self, Failpoint};

/// Number of documents that one command updates.
const CHUNK: usize = 100;
/// MongoDB's error codes for a document that an update does not fit: wrong types, or refused by a validator.
const UNFIT: [i32; 3] = [14, 28, 121];

/// Scans of one code, day and platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanCount {
    code: ObjectId,
    day: Date,
    platform: String,
    /// The count.
    pub scans: u64,
}

/// The scans of one code and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptScans {
    /// The code's id and the day.
    #[serde(rename = "_id")]
    id: String,
    /// The code.
    pub code_id: ObjectId,
    /// The day.
    pub day: Date,
    /// Counts by platform.
    pub platforms: BTreeMap<String, u64>,
    /// The last aggregation from each source that was added.
    aggregations: BTreeMap<String, i64>,
}

impl KeptScans {
    /// The last aggregation from a source that was added; 0 for none.
    pub fn last_aggregation(&self, source: &str) -> i64 {
        self.aggregations.get(source).copied().unwrap_or(0)
    }
}

impl ScanCount {
    /// Parses the field of a count, `<code id>:<day>:<platform>`, and its value.
    pub fn read(field: &str, count: &str) -> Option<Self> {
        let (rest, platform) = field.rsplit_once(':')?;
        let (code, day) = rest.split_once(':')?;
        let is_name = platform.bytes().all(|byte| byte.is_ascii_lowercase());
        Some(Self {
            code: ObjectId::parse_str(code).ok()?,
            day: day.parse().ok()?,
            platform: Some(platform.to_owned()).filter(|_| is_name)?,
            scans: count.parse().ok()?,
        })
    }

    /// Its part of `parts`. All counts of a code are in the same part.
    pub(crate) fn part(&self, parts: u32) -> u32 {
        let [.., a, b, c, d] = self.code.bytes();
        u32::from_be_bytes([a, b, c, d]) % parts.max(1)
    }

    fn is_of_document(&self, other: &Self) -> bool {
        (self.code, self.day) == (other.code, other.day)
    }
}

/// Splits counts into batches for [`Store::add_scans`], without duplicates. A document is in one batch only.
pub(crate) fn batches(counts: &mut Vec<ScanCount>) -> impl Iterator<Item = &[ScanCount]> {
    counts.sort_unstable();
    counts.dedup();
    let mut rest = counts.as_slice();
    iter::from_fn(move || {
        let documents = rest.chunk_by(ScanCount::is_of_document);
        let length = documents.take(CHUNK).map(<[_]>::len).sum();
        let (batch, others) = rest.split_at(length);
        rest = others;
        (!batch.is_empty()).then_some(batch)
    })
}

impl Store {
    /// Adds a batch of an aggregation with one command. Aggregations from one source come in sequence with growing numbers.
    /// So a document skips a batch if its last aggregation is this or a later one.
    pub async fn add_scans(
        &self,
        source: &str,
        aggregation: i64,
        counts: &[ScanCount],
    ) -> Result<()> {
        let last = format!("aggregations.{source}");
        let mut days: BTreeMap<(ObjectId, Date), Document> = BTreeMap::new();
        for count in counts {
            let scans = i64::try_from(count.scans).unwrap_or(i64::MAX);
            days.entry((count.code, count.day))
                .or_default()
                .insert(format!("platforms.{}", count.platform), scans);
        }
        let updates: Vec<Document> = days
            .into_iter()
            .map(|((code, day), platforms)| {
                doc! {
                    // Also matches if the document has no aggregation.
                    "q": { "_id": id(code, day), &last: { "$not": { "$gte": aggregation } } },
                    "u": {
                        "$inc": platforms,
                        "$set": { &last: aggregation },
                        "$setOnInsert": { "code_id": code, "day": day.to_string() },
                    },
                    "upsert": true,
                }
            })
            .collect();
        self.update_scans(&updates).await?;
        failpoint::reach(Failpoint::AggregationWritten);
        Ok(())
    }

    async fn update_scans(&self, updates: &[Document]) -> Result<()> {
        let command = doc! {
            "update": self.scans.name(),
            "updates": updates,
            "ordered": false,
            // A command does not inherit the client's write concern.
            "writeConcern": { "w": "majority", "j": true },
        };
        let answer = self.database.run_command(command).await?;
        let failures = answer.get_array("writeErrors").map_or(&[][..], |all| all);
        let failures = failures.iter().filter_map(|failure| failure.as_document());
        // A document with this aggregation does not match, and its upsert meets a duplicate key.
        let failures = failures.filter(|failure| code(failure) != Some(DUPLICATE_KEY));
        let (of_documents, others): (Vec<_>, Vec<_>) =
            failures.partition(|failure| code(failure).is_some_and(|code| UNFIT.contains(&code)));
        // They would fail again, and block the aggregation of all other scans.
        for failure in of_documents {
            tracing::error!(%failure, "scans of a code cannot be added to their document");
        }
        let concern = answer.get_document("writeConcernError").ok();
        let failure = others.into_iter().next().or(concern);
        match failure {
            Some(failure) => {
                let failure = anyhow!("scans cannot be written: {failure}");
                Err(StoreError::Mongo(mongodb::error::Error::custom(failure)))
            }
            None => Ok(()),
        }
    }

    /// The aggregated scans of a code from one day to another, both included.
    pub async fn scans(&self, code: ObjectId, from: Date, to: Date) -> Result<Vec<KeptScans>> {
        let days = doc! { "$gte": id(code, from), "$lte": id(code, to) };
        let scans = self.scans.clone_with_type::<RawDocumentBuf>();
        let found = async { scans.find(doc! { "_id": days }).await?.try_collect().await };
        let found: Vec<RawDocumentBuf> = read(found).await?;
        Ok(decode_all(scans.name(), &found))
    }
}

fn code(failure: &Document) -> Option<i32> {
    failure.get_i32("code").ok()
}

fn id(code: ObjectId, day: Date) -> String {
    format!("{code}:{day}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_code_a_day_and_a_platform() {
        let code = "6b02ee7ff52aad4ee8ee84d8";
        let count = ScanCount::read(&format!("{code}:2026-11-22:alipay"), "3").unwrap();
        assert_eq!(count.code.to_hex(), code);
        assert_eq!((count.platform.as_str(), count.scans), ("alipay", 3));
        assert_eq!(id(count.code, count.day), format!("{code}:2026-11-22"));
        for (field, value) in [
            ("aggregation", "1"),
            ("", "1"),
            ("x:2026-11-22:jd", "1"),
            ("6b02ee7ff52aad4ee8ee84d8:2026-11-32:jd", "1"),
            ("6b02ee7ff52aad4ee8ee84d8:2026-11-22:$where", "1"),
            ("6b02ee7ff52aad4ee8ee84d8:2026-11-22:jd", "-1"),
        ] {
            assert_eq!(ScanCount::read(field, value), None, "{field}");
        }
    }

    #[test]
    fn batches_have_each_count_once_and_no_document_in_two() {
        let platforms = ["qq", "alipay", "wechat"];
        let mut counts = Vec::new();
        for _ in 0..CHUNK + 7 {
            let code = ObjectId::new();
            for platform in platforms {
                let field = format!("{code}:2026-11-22:{platform}");
                counts.push(ScanCount::read(&field, "2").unwrap());
            }
        }
        let expected = counts.len();
        counts.extend_from_within(5..9);
        let lengths: Vec<usize> = batches(&mut counts).map(<[_]>::len).collect();
        assert_eq!(lengths, [CHUNK * 3, 7 * 3]);
        counts.dedup();
        assert_eq!(counts.len(), expected);
        assert_eq!(batches(&mut Vec::new()).count(), 0);
    }

    #[test]
    fn every_code_belongs_to_one_part() {
        let field = format!("{}:2026-11-22:jd", ObjectId::new());
        let count = ScanCount::read(&field, "1").unwrap();
        assert_eq!(count.part(1), 0);
        for parts in [2, 3, 100] {
            assert!(count.part(parts) < parts);
            let others = field.replace("jd", "qq").replace("22", "23");
            let other = ScanCount::read(&others, "1").map(|other| other.part(parts));
            assert_eq!(other, Some(count.part(parts)));
        }
    }
}
