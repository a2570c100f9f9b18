//! `heyi-worker code`

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use heyi_common::store::Report;
use mongodb::bson::oid::ObjectId;
use serde_json::{Value, json};

use super::Out;
use crate::Context;

#[derive(Debug, Subcommand)]
pub enum Code {
    /// Take a code's page down, e.g. after a report of abuse
    Disable {
        /// The id in the address of the page
        id: String,
    },
    /// Put it back
    Enable {
        /// The id in the address of the page
        id: String,
    },
    /// List the newest reports of abuse, of one code or of all
    Reports {
        /// The id in the address of the page
        id: Option<String>,
        /// The most to list
        #[arg(long, default_value_t = 50)]
        most: usize,
    },
}

pub(super) async fn run(command: &Code, context: &Context, out: &Out) -> anyhow::Result<()> {
    match command {
        Code::Disable { id } => set_disabled(id, true, context, out).await,
        Code::Enable { id } => set_disabled(id, false, context, out).await,
        Code::Reports { id, most } => reports(id.as_deref(), *most, context, out).await,
    }
}

async fn set_disabled(
    id: &str,
    disabled: bool,
    context: &Context,
    out: &Out,
) -> anyhow::Result<()> {
    let object_id = parse(id)?;
    ensure!(
        context.store.set_disabled(object_id, disabled).await?,
        "there is no code {id}"
    );
    let state = if disabled { "disabled" } else { "enabled" };
    out.show(&json!({ "id": id, "state": state }), || {
        format!("code {id} is {state}")
    })
}

async fn reports(
    id: Option<&str>,
    most: usize,
    context: &Context,
    out: &Out,
) -> anyhow::Result<()> {
    let code_id = id.map(parse).transpose()?;
    let reports = context.store.reports(code_id, most).await?;
    let items: Vec<Value> = reports.iter().map(item).collect();
    out.show(&items, || table(&reports))
}

fn parse(id: &str) -> anyhow::Result<ObjectId> {
    ObjectId::parse_str(id).context("an id has 24 hex digits")
}

fn item(report: &Report) -> Value {
    json!({
        "id": report.id.to_hex(),
        "code_id": report.code_id.to_hex(),
        "reason": report.reason,
        "text": report.text,
        "contact": report.contact,
        "created_at": time(report),
    })
}

fn table(reports: &[Report]) -> String {
    if reports.is_empty() {
        return "no reports".to_owned();
    }
    let mut text = format!("{:<26}{:<26}{:<10}text\n", "reported", "code", "reason");
    for report in reports {
        let mut line = format!(
            "{:<26}{:<26}{:<10}{}",
            time(report),
            report.code_id.to_hex(),
            report.reason.name(),
            report.text
        );
        if !report.contact.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(line, " ({})", report.contact);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// When a report was made (RFC 3339).
fn time(report: &Report) -> String {
    report
        .created_at
        .try_to_rfc3339_string()
        .unwrap_or_default()
}
