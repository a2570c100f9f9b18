//! Reports of abuse.

use futures::TryStreamExt;
use mongodb::bson::{DateTime, Document, doc, oid::ObjectId};
use serde::{Deserialize, Serialize};

use super::{Result, Store};

/// The longest text of a report, in characters.
pub const MAX_REPORT_TEXT: usize = 500;
/// The longest way to reach who reports, in characters.
pub const MAX_REPORT_CONTACT: usize = 100;
/// The most reports of one code that are kept: strangers must not fill the disk, and by then an operator knows.
pub const MAX_REPORTS_OF_A_CODE: u64 = 100;

/// What is wrong with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// What somebody who saw a code's page told its operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its own id, random.
    #[serde(rename = "_id")]
    pub id: ObjectId,
    /// The code.
    pub code_id: ObjectId,
    /// What is wrong with it.
    pub reason: Reason,
    /// What happened, in one line; may be empty.
    pub text: String,
    /// How to reach who reports; may be empty.
    pub contact: String,
    /// When it was made.
    pub created_at: DateTime,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReportError {
    /// The text is too long.
    #[error("text must be at most {MAX_REPORT_TEXT} characters")]
    Text,
    /// The contact is too long.
    #[error("contact must be at most {MAX_REPORT_CONTACT} characters")]
    Contact,
}

impl Reason {
    /// Every reason, in the order in which they are offered.
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
    /// A report of now. What would move a terminal's cursor or turn its text around is left out.
    pub fn new(
        code_id: ObjectId,
        reason: Reason,
        text: &str,
        contact: &str,
    ) -> std::result::Result<Self, ReportError> {
        let (text, contact) = (one_line(text), one_line(contact));
        if text.chars().count() > MAX_REPORT_TEXT {
            return Err(ReportError::Text);
        }
        if contact.chars().count() > MAX_REPORT_CONTACT {
            return Err(ReportError::Contact);
        }
        Ok(Self {
            id: ObjectId::from_bytes(rand::random()),
            code_id,
            reason,
            text,
            contact,
            created_at: DateTime::now(),
        })
    }
}

fn one_line(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.split(|c: char| c.is_whitespace() || c.is_control() || turns(c))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

impl Store {
    /// Records a report. False when there are [`MAX_REPORTS_OF_A_CODE`] already, and this one is not kept.
    pub async fn record_report(&self, report: &Report) -> Result<bool> {
        let earlier = self
            .reports
            .count_documents(doc! { "code_id": report.code_id })
            .limit(MAX_REPORTS_OF_A_CODE)
            .await?;
        if earlier >= MAX_REPORTS_OF_A_CODE {
            return Ok(false);
        }
        self.reports.insert_one(report).await?;
        Ok(true)
    }

    /// Reports of one code, or of all, newest first, at most so many.
    pub async fn reports(&self, code_id: Option<ObjectId>, most: usize) -> Result<Vec<Report>> {
        let filter = code_id.map_or_else(Document::new, |id| doc! { "code_id": id });
        let cursor = self
            .reports
            .find(filter)
            .sort(doc! { "created_at": -1, "_id": -1 })
            .limit(i64::try_from(most).unwrap_or(i64::MAX))
            .await?;
        Ok(cursor.try_collect().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str, contact: &str) -> std::result::Result<Report, ReportError> {
        Report::new(ObjectId::new(), Reason::Fraud, text, contact)
    }

    #[test]
    fn a_report_is_one_line_that_moves_no_cursor() {
        let made = report(" 收了钱\r\n不发货 \u{1b}[2J\u{202e}abc\0 ", "\t").unwrap();
        assert_eq!(made.text, "收了钱 不发货 [2J abc");
        assert_eq!(made.contact, "");
    }

    #[test]
    fn lengths_are_of_characters_and_limited() {
        let text = "长".repeat(MAX_REPORT_TEXT);
        assert_eq!(report(&text, "").unwrap().text, text);
        assert_eq!(report(&format!("{text}长"), ""), Err(ReportError::Text));
        let contact = "1".repeat(MAX_REPORT_CONTACT + 1);
        assert_eq!(report("", &contact), Err(ReportError::Contact));
    }

    #[test]
    fn reasons_are_written_by_their_names() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
