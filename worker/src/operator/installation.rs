//! `heyi-worker installation`

use anyhow::ensure;
use clap::Subcommand;
use heyi_common::{
    config::Config,
    installation::{Installation, Record},
};
use serde_json::json;

use super::Out;
use crate::Context;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what Redis and MongoDB hold
    Show,
    /// Make the settings of this process those of the installation, in both stores
    Accept {
        /// Confirm it: processes with other settings do not run any more
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(
    command: &Command,
    config: &Config,
    context: &Context,
    out: &Out,
) -> anyhow::Result<()> {
    let installation = of(config, context);
    match command {
        Command::Show => {
            let (redis, mongo) = installation.records().await?;
            out.show(&json!({ "redis": redis, "mongodb": mongo }), || {
                format!(
                    "Redis    {}\nMongoDB  {}",
                    line(redis.as_ref()),
                    line(mongo.as_ref())
                )
            })
        }
        Command::Accept { yes } => {
            ensure!(
                *yes,
                "this changes the record in Redis and MongoDB; processes with other settings will not run. \
                 Stop all processes, check that `heyi-worker queue` is empty, then repeat with --yes"
            );
            let record = installation.accept().await?;
            out.show(&record, || format!("accepted: {}", line(Some(&record))))
        }
    }
}

/// The installation that this command's settings name.
pub(super) fn of(config: &Config, context: &Context) -> Installation {
    let redis = context.queue.redis().clone();
    Installation::new(config, redis, context.queue.keys(), context.store.clone())
}

fn line(record: Option<&Record>) -> String {
    record.map_or_else(
        || "none".to_owned(),
        |record| {
            format!(
                "id {}, redis.prefix {}, queue.partitions {}, mongo.database {}, payjs.mchid {}",
                record.id, record.prefix, record.partitions, record.database, record.merchant
            )
        },
    )
}
