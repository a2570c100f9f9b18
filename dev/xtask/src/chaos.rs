//! `cargo xtask chaos`: tests under faults that no acknowledged payment is lost.

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{
    checkout::{Checkout, run_through, succeed},
    install,
};

/// The run that is part of `cargo xtask test`.
const SHORT: [&str; 6] = ["--minutes", "2", "--seed", "57", "--rate", "10"];

/// What can be chosen about `chaos`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--minutes`, `--seed`, `--rate`, `--topology`; `--help` tells more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds what is needed and runs with these arguments.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    install::redis(checkout)?;
    install::mongod(checkout)?;
    // The profile of `test`: nothing is compiled twice, and overflows and failed assertions are found.
    let build = ["build", "--workspace", "--bins", "--locked"];
    succeed(checkout.command("cargo").args(build))?;
    run_through(checkout.command(program()?).args(&options.arguments))
}

/// A short run of the programs that were built before.
pub(crate) fn short(checkout: &Checkout) -> Result<Command> {
    let report = checkout.dir("chaos")?.join("report.json");
    let mut chaos = checkout.command(program()?);
    chaos.args(SHORT).arg("--report").arg(report);
    // API fuzzing starts servers at the same time, on the ports of processes without a slot. The tests have the first slots.
    chaos.env("NEXTEST_TEST_GLOBAL_SLOT", "20");
    Ok(chaos)
}

/// The path of the program: next to this one.
fn program() -> Result<PathBuf> {
    let own = env::current_exe().context("where is this program?")?;
    Ok(own.with_file_name("heyi-chaos"))
}
