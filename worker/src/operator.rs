//! The operator's commands. Each prints text, or JSON with `--json`.

mod code;
mod dead;
mod doctor;
mod installation;
mod output;
mod queue;

use clap::Subcommand;
use heyi_common::{
    config::{Config, Process},
    installation::InstallationError,
    outage::{self, StoreName},
    pending_orders::PendingOrderError,
    store::Store,
};

use self::output::Out;
use crate::Context;

/// What an operator can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the state of the queue: lengths, the oldest event, what each worker holds, rates
    Queue,
    /// Dead letters: events that ended without a promotion
    #[command(subcommand)]
    Dead(dead::Dead),
    /// Events whose signature is false
    #[command(subcommand)]
    Rejected(dead::Rejected),
    /// Take the page of a code down, put it back, or list reports of abuse
    #[command(subcommand)]
    Code(code::Code),
    /// The settings in which all processes must agree, as Redis and MongoDB hold them
    #[command(subcommand)]
    Installation(installation::Command),
    /// Check settings, Redis, MongoDB and the public address, and say what to change
    Doctor,
}

impl Command {
    fn needs(&self) -> Needs {
        match self {
            Self::Installation(_) | Self::Doctor => Needs::Nothing,
            Self::Queue | Self::Rejected(dead::Rejected::List(_)) => Needs::Redis,
            Self::Dead(dead) if dead.only_reads() => Needs::Redis,
            Self::Code(_) => Needs::MongoDb,
            Self::Dead(_) | Self::Rejected(_) => Needs::Both,
        }
    }

    /// The settings that the command needs. Only some commands call a gateway or compare the merchant.
    fn process(&self) -> Process {
        match self {
            Self::Dead(dead) if dead.asks_gateway() => Process::Worker,
            Self::Installation(_) | Self::Doctor => Process::Worker,
            Self::Queue | Self::Dead(_) | Self::Rejected(_) | Self::Code(_) => Process::Operator,
        }
    }
}

/// The installation records that a command checks. With other settings it would read or change the wrong data.
enum Needs {
    Nothing,
    /// Reads only the queue, so it works while MongoDB is unavailable.
    Redis,
    /// Concerns only codes, so it works while Redis is unavailable.
    MongoDb,
    Both,
}

/// Runs a command. Returns false when it found a problem.
pub async fn run(command: Command, json: bool) -> anyhow::Result<bool> {
    let out = Out { json };
    if matches!(command, Command::Doctor) {
        let config = Config::load(Process::Worker);
        return doctor::run(config, Config::load(Process::Api).err(), &out).await;
    }
    let config = Config::load(command.process())?;
    let context = Context::new(&config).await?;
    match carry_out(command, &config, &context, &out).await {
        Ok(()) => Ok(true),
        Err(error) => Err(explained(error, &context.store).await),
    }
}

async fn carry_out(
    command: Command,
    config: &Config,
    context: &Context,
    out: &Out,
) -> anyhow::Result<()> {
    let installation = installation::of(config, context);
    match command.needs() {
        Needs::Nothing => {}
        Needs::Redis => {
            if !installation.compare_with_redis().await? {
                let redis = StoreName::Redis.address();
                out.remark(&format!(
                    "Redis at {redis} holds no installation: no api or worker has run with these settings"
                ));
            }
        }
        Needs::MongoDb => installation.compare_with_mongo().await?,
        Needs::Both => installation.compare_all().await?,
    }
    match command {
        Command::Queue => queue::run(context, out).await,
        Command::Dead(command) => dead::run(command, context, out).await,
        Command::Rejected(command) => dead::run_rejected(command, context, out).await,
        Command::Code(command) => code::run(&command, context, out).await,
        Command::Installation(command) => installation::run(&command, config, context, out).await,
        Command::Doctor => Ok(()),
    }
}

/// An error of a store, with the store's address and the cause.
async fn explained(error: anyhow::Error, store: &Store) -> anyhow::Error {
    let Some(why) = outage::explain(error.as_ref(), store).await else {
        return error;
    };
    let said = error
        .chain()
        .take_while(|cause| StoreName::of_one(*cause).is_none())
        // These only name the store.
        .filter(|cause| !cause.is::<InstallationError>() && !cause.is::<PendingOrderError>());
    let parts = said.map(ToString::to_string).chain([why]);
    anyhow::Error::msg(parts.collect::<Vec<_>>().join(": "))
}
