//! Breaks a running Heyi; `cargo xtask chaos` builds all that it needs and starts it.
#![expect(
    clippy::print_stdout,
    reason = "a command that people run in a terminal"
)]

use std::{path::PathBuf, process::ExitCode};

use anyhow::bail;
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
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { options, report } = Arguments::parse();
    println!("{options:?}");
    let outcome = tokio::select! {
        outcome = run(options, |line| println!("{line}")) => outcome?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    };
    outcome.write(&report)?;
    println!(
        "\n{}\nseed {}, report in {}",
        outcome.table(),
        options.seed,
        report.display()
    );
    Ok(if outcome.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
