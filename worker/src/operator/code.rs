//! `heyi-worker code`

mod reports;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use mongodb::bson::oid::ObjectId;
use serde_json::json;

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
    /// Show the reports of abuse of one code or of all, newest first: their numbers for each code, then the reports
    Reports {
        /// The id in the address of the page
        id: Option<String>,
        /// The most codes and the most reports to list
        #[arg(long, default_value_t = 50)]
        most: usize,
    },
}

pub(super) async fn run(command: &Code, context: &Context, out: &Out) -> anyhow::Result<()> {
    match command {
        Code::Disable { id } => set_disabled(id, true, context, out).await,
        Code::Enable { id } => set_disabled(id, false, context, out).await,
        Code::Reports { id, most } => reports::show(id.as_deref(), *most, context, out).await,
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

fn parse(id: &str) -> anyhow::Result<ObjectId> {
    ObjectId::parse_str(id).context("an id has 24 hex digits")
}
