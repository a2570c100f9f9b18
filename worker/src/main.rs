//! The binary `heyi-worker`: the worker and the operator's commands.

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use heyi_common::{
    config::{Config, Log, LogFormat, Process},
    healthcheck, shutdown, telemetry,
};
use heyi_worker::operator;

/// Promotes paid orders to codes. Settings come from the file that `HEYI_CONFIG` names and from `HEYI_<SECTION>__<KEY>`.
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
    /// Work on the queue until stopped (the default)
    Run,
    /// Exit with 0 when a worker on this machine is ready
    Healthcheck,
    #[command(flatten)]
    Operate(operator::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    run(Arguments::parse()).await.unwrap_or_else(|error| {
        telemetry::report_end(&error);
        ExitCode::FAILURE
    })
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => {
            let config = Config::load(Process::Worker)?;
            let _log = telemetry::start(&config.log)?;
            Box::pin(heyi_worker::run(config, shutdown::on_signal()?)).await?;
        }
        Command::Healthcheck => {
            let config = Config::load(Process::Operator)?;
            healthcheck::check(config.worker.listen, "/readyz").await?;
        }
        Command::Operate(command) => {
            // Logs documents that a list skips.
            let log = Log {
                filter: "off,heyi_common::store::decode=error".to_owned(),
                format: LogFormat::Text,
            };
            let _log = telemetry::start(&log)?;
            let done = operator::run(command, arguments.json).await;
            return Ok(match done {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    // Standard error may be closed.
                    let _ = writeln!(std::io::stderr(), "Error: {error:#}");
                    ExitCode::FAILURE
                }
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}
