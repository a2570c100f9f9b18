//! `heyi-worker code`

mod owner;
mod reports;

use anyhow::{Context as _, anyhow, ensure};
use clap::{Args, Subcommand};
use heyi_common::order::OpenId;
use mongodb::bson::oid::ObjectId;
use serde_json::json;

use super::output::Out;
use crate::Context;

#[derive(Debug, Subcommand)]
pub enum Code {
    /// Take down a code's page, or all codes of a person, e.g. after a report of abuse
    Disable(Target),
    /// Put it back
    Enable(Target),
    /// List the people all of whose codes are taken down
    Owners,
    /// Show the reports of abuse of one code or of all, newest first: their numbers for each code, then the reports
    Reports {
        /// The id in the address of the page
        id: Option<String>,
        /// The most codes and the most reports to list
        #[arg(long, default_value_t = 50)]
        most: usize,
    },
}

/// A code, or a person.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// The id in the address of the page
    id: Option<String>,
    /// A person, by openid: all codes, also those to come; /newOrder refuses orders of the person
    #[arg(long, value_name = "OPENID")]
    owner: Option<OpenId>,
    /// The same for the owner of this code
    #[arg(long, value_name = "ID")]
    owner_of: Option<String>,
}

pub(super) async fn run(command: &Code, context: &Context, out: &Out) -> anyhow::Result<()> {
    match command {
        Code::Disable(target) => set(target, true, context, out).await,
        Code::Enable(target) => set(target, false, context, out).await,
        Code::Owners => owner::list(context, out).await,
        Code::Reports { id, most } => reports::show(id.as_deref(), *most, context, out).await,
    }
}

async fn set(target: &Target, disabled: bool, context: &Context, out: &Out) -> anyhow::Result<()> {
    match target {
        Target { id: Some(id), .. } => set_disabled(id, disabled, context, out).await,
        Target {
            owner: Some(owner), ..
        } => owner::set_disabled(owner, disabled, context, out).await,
        Target { owner_of, .. } => {
            let id = owner_of.as_deref().unwrap_or_default();
            let code = context.store.code(parse(id)?).await?;
            let code = code.with_context(|| format!("there is no code {id}"))?;
            owner::set_disabled(&code.openid, disabled, context, out).await
        }
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
    // The cause would be the BSON library's error text.
    ObjectId::parse_str(id.trim()).map_err(|_| anyhow!("an id has 24 hex digits"))
}
