//! `heyi-api` serves; `heyi-api healthcheck` checks whether a running instance is ready.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use heyi_common::{
    config::{Config, Process},
    healthcheck, shutdown, telemetry,
};

/// Handlers free memory that other threads allocated; glibc takes a lock for each such block.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Serves the HTTP API of Heyi. Settings come from the file that `HEYI_CONFIG` names and from `HEYI_<SECTION>__<KEY>`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until stopped (the default)
    Run,
    /// Exit with 0 when an api on this machine is ready
    Healthcheck,
}

/// Requests are served on separate threads.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::report_end(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => {
            let config = Config::load(Process::Api)?;
            let _log = telemetry::start(&config.log)?;
            heyi_api::serve(config, shutdown::on_signal()?).await
        }
        Command::Healthcheck => {
            let http = Config::load(Process::Operator)?.http;
            match http.monitor {
                Some(monitor) => healthcheck::check(monitor, "/readyz").await,
                None => healthcheck::check(http.listen, "/healthz").await,
            }
        }
    }
}
