//! The binary `heyi-worker`: the worker, and the commands of its operator.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use heyi_common::{
    config::{Config, Process},
    healthcheck, shutdown, telemetry,
};
use heyi_worker::operator;

/// Promotes paid orders to codes. The README says how it is configured.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Work on the queue until told to stop (the default)
    Run,
    /// Exit with 0 when a worker on this machine is ready
    Healthcheck,
    #[command(flatten)]
    Operate(operator::Command),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let config = Config::load(Process::Worker);
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => {
            let config = config?;
            telemetry::start(&config.log)?;
            Box::pin(heyi_worker::run(config, shutdown::on_signal()?)).await?;
        }
        Command::Healthcheck => healthcheck::check(config?.worker.listen, "/readyz").await?,
        Command::Operate(command) => {
            let fine = operator::run(command, config, arguments.json).await?;
            return Ok(if fine {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}
