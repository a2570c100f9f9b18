//! `heyi-worker code reports`

use std::fmt::Write as _;

use heyi_common::store::{Report, ReportSummary};
use mongodb::bson::DateTime;
use serde_json::{Value, json};

use super::parse;
use crate::{Context, operator::output::Out};

/// Prints the number of reports by code, then the reports.
pub(super) async fn show(
    id: Option<&str>,
    most: usize,
    context: &Context,
    out: &Out,
) -> anyhow::Result<()> {
    let code_id = id.map(parse).transpose()?;
    let summaries = context.store.report_summaries(code_id, most).await?;
    let reports = context.store.reports(code_id, most).await?;
    let json = json!({
        "codes": summaries.iter().map(numbers).collect::<Vec<_>>(),
        "reports": reports.iter().map(item).collect::<Vec<_>>(),
    });
    out.show(&json, || table(&summaries, &reports))
}

fn numbers(summary: &ReportSummary) -> Value {
    json!({
        "code_id": summary.counts.code_id.to_hex(),
        "addresses": summary.counts.kept,
        "repeats": summary.repeats,
        "not_stored": summary.counts.not_stored,
        "last_at": time(summary.counts.last_at),
        "changed_at": summary.changed_at.iter().map(|at| time(*at)).collect::<Vec<_>>(),
    })
}

fn item(report: &Report) -> Value {
    json!({
        "id": report.id.to_hex(),
        "code_id": report.code_id.to_hex(),
        "reason": report.reason,
        "text": report.text,
        "contact": report.contact,
        "created_at": time(report.created_at),
        "repeats": report.repeats,
    })
}

fn table(summaries: &[ReportSummary], reports: &[Report]) -> String {
    if summaries.is_empty() && reports.is_empty() {
        return "no reports".to_owned();
    }
    let mut text = format!(
        "{:<26}{:>9}  {:>7}  {:>10}  {:<26}code changed\n",
        "code", "addresses", "repeats", "not stored", "last reported"
    );
    for summary in summaries {
        let line = format!(
            "{:<26}{:>9}  {:>7}  {:>10}  {:<26}{}",
            summary.counts.code_id.to_hex(),
            summary.counts.kept,
            summary.repeats,
            summary.counts.not_stored,
            time(summary.counts.last_at),
            changes(&summary.changed_at)
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(
        text,
        "\n{:<26}{:<26}{:<10}{:>7}  text",
        "reported", "code", "reason", "repeats"
    );
    for report in reports {
        let mut line = format!(
            "{:<26}{:<26}{:<10}{:>7}  {}",
            time(report.created_at),
            report.code_id.to_hex(),
            report.reason.name(),
            report.repeats,
            report.text
        );
        if !report.contact.is_empty() {
            let _ = write!(line, " ({})", report.contact);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// How often the owner changed the code, and the time of the last change.
fn changes(changed_at: &[DateTime]) -> String {
    match changed_at {
        [] => "never".to_owned(),
        [once] => time(*once),
        [.., last] => format!("{} times, last {}", changed_at.len(), time(*last)),
    }
}

/// Formats a time as RFC 3339.
fn time(at: DateTime) -> String {
    at.try_to_rfc3339_string().unwrap_or_default()
}
