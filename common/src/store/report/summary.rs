//! Summaries of the reports of codes.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use mongodb::bson::{DateTime, Document, RawDocumentBuf, doc, oid::ObjectId};
use serde::{Deserialize, Serialize};

use crate::store::{Result, Store, decode::decode_all, read};

/// Counts of the reports of one code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportCounts {
    /// The code.
    #[serde(rename = "_id")]
    pub code_id: ObjectId,
    /// Number of stored reports: one per address and day.
    #[serde(default)]
    pub kept: i64,
    /// Number of reports after the list was full.
    #[serde(default)]
    pub not_stored: i64,
    /// When the last report came, without repeats.
    pub last_at: DateTime,
}

/// What an operator needs to judge the reports of a code.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportSummary {
    /// Numbers of its reports.
    pub counts: ReportCounts,
    /// Number of repeats from the same addresses on the same days.
    pub repeats: i64,
    /// When its owner changed it, oldest first: the first change and the newest ones.
    pub changed_at: Vec<DateTime>,
}

#[derive(Deserialize)]
struct Repeats {
    #[serde(rename = "_id")]
    code_id: ObjectId,
    repeats: i64,
}

#[derive(Deserialize)]
struct Changes {
    #[serde(rename = "_id")]
    code_id: ObjectId,
    #[serde(default)]
    changes: Vec<ChangedAt>,
}

#[derive(Deserialize)]
struct ChangedAt {
    changed_at: DateTime,
}

impl Store {
    /// Summaries of the reports of one code or of all, at most `most`, those with the newest report first.
    pub async fn report_summaries(
        &self,
        code_id: Option<ObjectId>,
        most: usize,
    ) -> Result<Vec<ReportSummary>> {
        let filter = code_id.map_or_else(Document::new, |id| doc! { "_id": id });
        let collection = self.report_counts.clone_with_type::<RawDocumentBuf>();
        let counts = collection.find(filter).sort(doc! { "last_at": -1 });
        let counts = counts.limit(i64::try_from(most).unwrap_or(i64::MAX));
        let counts: Vec<RawDocumentBuf> = read(async { counts.await?.try_collect().await }).await?;
        let counts: Vec<ReportCounts> = decode_all(collection.name(), &counts);
        let ids: Vec<ObjectId> = counts.iter().map(|counts| counts.code_id).collect();
        let repeats = self.repeats(&ids).await?;
        let mut changes = self.changes_of(&ids).await?;
        Ok(counts
            .into_iter()
            .map(|counts| ReportSummary {
                repeats: repeats.get(&counts.code_id).copied().unwrap_or(0),
                changed_at: changes.remove(&counts.code_id).unwrap_or_default(),
                counts,
            })
            .collect())
    }

    async fn repeats(&self, codes: &[ObjectId]) -> Result<BTreeMap<ObjectId, i64>> {
        let sums = self.reports.aggregate([
            doc! { "$match": { "code_id": { "$in": codes } } },
            doc! { "$group": { "_id": "$code_id", "repeats": { "$sum": "$repeats" } } },
        ]);
        let found = async {
            let sums = sums.with_type::<RawDocumentBuf>();
            sums.await?.try_collect().await
        };
        let found: Vec<RawDocumentBuf> = read(found).await?;
        let sums: Vec<Repeats> = decode_all(self.reports.name(), &found);
        let sums = sums.into_iter().map(|sum| (sum.code_id, sum.repeats));
        Ok(sums.collect())
    }

    async fn changes_of(&self, codes: &[ObjectId]) -> Result<BTreeMap<ObjectId, Vec<DateTime>>> {
        let documents = self.codes.clone_with_type::<RawDocumentBuf>();
        let times = documents
            .find(doc! { "_id": { "$in": codes } })
            .projection(doc! { "changes.changed_at": 1 });
        let found: Vec<RawDocumentBuf> = read(async { times.await?.try_collect().await }).await?;
        let found: Vec<Changes> = decode_all(self.codes.name(), &found);
        let times = found.into_iter().map(|code| {
            let times = code.changes.into_iter().map(|change| change.changed_at);
            (code.code_id, times.collect())
        });
        Ok(times.collect())
    }
}
