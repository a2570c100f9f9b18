//! `heyi-worker installation`

use std::fmt::Write as _;

use anyhow::ensure;
use clap::Subcommand;
use heyi_common::{
    config::Config,
    installation::{Installation, Record},
};
use serde_json::json;

use super::output::Out;
use crate::Context;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what Redis and MongoDB hold
    Show,
    /// Make an installation of the settings of this process, in both stores
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
                let redis = redis.as_ref().map_or_else(|| "none".to_owned(), line);
                let mut text = format!("Redis    {redis}\n");
                if mongo.is_empty() {
                    text.push_str("MongoDB  none\n");
                }
                for record in &mongo {
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "MongoDB  {}", line(record));
                }
                text
            })
        }
        Command::Accept { yes } => {
            ensure!(
                *yes,
                "this makes an installation of these settings in Redis and MongoDB; processes with other settings \
                 cannot use this Redis any more. Check that `heyi-worker queue` shows nothing, then repeat with --yes"
            );
            let record = installation.accept().await?;
            out.show(&record, || format!("accepted: {}", line(&record)))
        }
    }
}

/// The installation that the settings of this command describe.
pub(super) fn of(config: &Config, context: &Context) -> Installation {
    let redis = context.queue.redis().clone();
    Installation::new(config, redis, context.queue.keys(), context.store.clone())
}

fn line(record: &Record) -> String {
    format!(
        "id {}, database {} of Redis, redis.prefix {}, queue.partitions {}, mongo.database {}, payjs.mchid {}",
        record.id,
        record.redis_database,
        record.prefix,
        record.partitions,
        record.database,
        record.merchant
    )
}
