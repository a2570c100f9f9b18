//! `heyi-worker code`

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
}

pub(super) async fn run(command: &Code, context: &Context, out: &Out) -> anyhow::Result<()> {
    let (id, disabled) = match command {
        Code::Disable { id } => (id, true),
        Code::Enable { id } => (id, false),
    };
    let object_id = ObjectId::parse_str(id).context("an id has 24 hex digits")?;
    ensure!(
        context.store.set_disabled(object_id, disabled).await?,
        "there is no code {id}"
    );
    let state = if disabled { "disabled" } else { "enabled" };
    out.show(&json!({ "id": id, "state": state }), || {
        format!("code {id} is {state}")
    })
}
