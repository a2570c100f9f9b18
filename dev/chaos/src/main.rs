//! Injects faults into a running Heyi. `cargo xtask chaos` builds everything and starts it.
#![expect(
    clippy::print_stdout,
    reason = "a command that people run in a terminal"
)]

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Parser;
use heyi_chaos::{Options, run};

/// Drives orders through real processes, breaks them, and counts what was lost.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Where the report goes
    #[arg(long, default_value = "chaos-report.json")]
    report: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let interrupted = async {
        tokio::signal::ctrl_c().await?;
        bail!("interrupted")
    };
    let outcome = tokio::select! {
        outcome = prove(arguments) => outcome,
        interrupted = interrupted => interrupted,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the test. True if the promise was kept.
async fn prove(Arguments { options, report }: Arguments) -> Result<bool> {
    println!("seed {}", options.seed);
    let outcome = run(options, |line| println!("{line}")).await?;
    outcome.write(&report)?;
    println!("\n{}", outcome.table());
    println!("seed {}, report in {}", options.seed, report.display());
    Ok(outcome.is_clean())
}
