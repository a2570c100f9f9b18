//! Reports of abuse.
//!
//! One report is stored per code, client address and day, up to a maximum per code. Further reports are only counted, so
//! that an operator sees them even if one person filled the list. Every step is one atomic write, for any number of api
//! processes.

mod line;
mod reporter;
mod summary;

use futures::TryStreamExt;
use mongodb::bson::{DateTime, Document, RawDocumentBuf, doc, oid::ObjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Result, Store, decode::decode_all, is_duplicate, read};
use line::Line;
pub use reporter::Reporter;
pub use summary::{ReportCounts, ReportSummary};

/// The longest text of a report, in characters.
pub const MAX_REPORT_TEXT: usize = 500;
/// The longest contact of a reporter, in characters.
pub const MAX_REPORT_CONTACT: usize = 100;
/// Maximum number of stored reports per code, so that they cannot fill the disk. Later ones are counted.
pub const MAX_REPORTS_OF_A_CODE: u64 = 100;

/// What happened.
pub type ReportText = Line<MAX_REPORT_TEXT>;
/// How to reach who reports.
pub type ReportContact = Line<MAX_REPORT_CONTACT>;

/// What is wrong with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It is used to cheat payers.
    Fraud,
    /// The owner pretends to be somebody else.
    Impostor,
    /// It was stuck over somebody's own code.
    Swapped,
    /// Something else.
    Other,
}

/// A report about a code, from a visitor of its page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its own id: a pseudonym of the reporter, so that one reporter has one report.
    #[serde(rename = "_id")]
    pub id: ObjectId,
    /// The code.
    pub code_id: ObjectId,
    /// What is wrong with it.
    pub reason: Reason,
    /// What happened, in one line; may be empty.
    pub text: String,
    /// How to reach the reporter; may be empty.
    pub contact: String,
    /// When it was made.
    pub created_at: DateTime,
    /// Number of further reports of this code from the same address on the same day.
    #[serde(default)]
    pub repeats: i64,
}

/// The outcome of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored.
    Kept,
    /// A repeat from its address on the same day; it was counted.
    Repeated,
    /// The code has [`MAX_REPORTS_OF_A_CODE`] reports; this one was counted.
    Counted,
}

impl Recorded {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kept, Self::Repeated, Self::Counted];

    /// The name used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Repeated => "repeated",
            Self::Counted => "counted",
        }
    }
}

impl Reason {
    /// Every reason, in the order of the form.
    pub const ALL: [Self; 4] = [Self::Fraud, Self::Impostor, Self::Swapped, Self::Other];

    /// The name used in requests and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fraud => "fraud",
            Self::Impostor => "impostor",
            Self::Swapped => "swapped",
            Self::Other => "other",
        }
    }
}

impl Report {
    /// A report that is made now.
    pub fn new(
        reporter: Reporter,
        code_id: ObjectId,
        reason: Reason,
        Line(text): ReportText,
        Line(contact): ReportContact,
    ) -> Self {
        Self {
            id: reporter.id(),
            code_id,
            reason,
            text,
            contact,
            created_at: DateTime::now(),
            repeats: 0,
        }
    }
}

impl Store {
    /// Records a report.
    pub async fn record_report(&self, report: &Report) -> Result<Recorded> {
        if self.count_repeat(report).await? {
            return Ok(Recorded::Repeated);
        }
        if !self.claim_report(report.code_id).await? {
            let counted = doc! { "not_stored": 1_i64 };
            self.count_report(report.code_id, counted).await?;
            return Ok(Recorded::Counted);
        }
        let Err(error) = self.reports.insert_one(report).await else {
            return Ok(Recorded::Kept);
        };
        let given_back = doc! { "kept": -1_i64 };
        self.count_report(report.code_id, given_back).await?;
        if !is_duplicate(&error) {
            return Err(error.into());
        }
        // A concurrent request from the same address was faster.
        self.count_repeat(report).await?;
        Ok(Recorded::Repeated)
    }

    /// Counts a repeat of a stored report. False if there is none.
    async fn count_repeat(&self, report: &Report) -> Result<bool> {
        let change = doc! { "$inc": { "repeats": 1_i64 } };
        let repeated = self.reports.update_one(doc! { "_id": report.id }, change);
        Ok(repeated.await?.matched_count > 0)
    }

    /// Claims one of the places for the reports of a code. False if all are taken.
    async fn claim_report(&self, code_id: ObjectId) -> Result<bool> {
        // When all places are taken, the upsert meets an existing document. When two requests create the first document
        // concurrently, one of them does too although there are places; its second attempt succeeds.
        Ok(self.try_to_claim_report(code_id).await? || self.try_to_claim_report(code_id).await?)
    }

    async fn try_to_claim_report(&self, code_id: ObjectId) -> Result<bool> {
        let most = i64::try_from(MAX_REPORTS_OF_A_CODE).unwrap_or(i64::MAX);
        let has_room = doc! { "_id": code_id, "kept": { "$not": { "$gte": most } } };
        let claim = doc! { "$inc": { "kept": 1_i64 }, "$set": { "last_at": DateTime::now() } };
        match self
            .report_counts
            .update_one(has_room, claim)
            .upsert(true)
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn count_report(&self, code_id: ObjectId, change: Document) -> Result<()> {
        let change = doc! { "$inc": change, "$set": { "last_at": DateTime::now() } };
        let counted = self
            .report_counts
            .update_one(doc! { "_id": code_id }, change);
        counted.upsert(true).await?;
        Ok(())
    }

    /// The newest reports of one code or of all, at most `most`.
    pub async fn reports(&self, code_id: Option<ObjectId>, most: usize) -> Result<Vec<Report>> {
        let filter = code_id.map_or_else(Document::new, |id| doc! { "code_id": id });
        let reports = self.reports.clone_with_type::<RawDocumentBuf>();
        let newest = reports
            .find(filter)
            .sort(doc! { "created_at": -1, "_id": -1 })
            .limit(i64::try_from(most).unwrap_or(i64::MAX));
        let found: Vec<RawDocumentBuf> = read(async { newest.await?.try_collect().await }).await?;
        Ok(decode_all(reports.name(), &found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_written_by_their_names() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
