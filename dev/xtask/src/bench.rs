//! `cargo xtask bench`: what Heyi costs, beside what it must cost.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    checkout::{Checkout, run_through},
    install,
};

/// What can be chosen about `bench`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Names of measurements, or `compare <before> [<after>]`; `--help` tells more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds as for a release and runs with these arguments.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    install::redis(checkout)?;
    install::mongod(checkout)?;
    let mut bench = checkout.command("cargo");
    bench.args(["run", "--release", "--locked", "--bin", "heyi-bench", "--"]);
    bench.args(&options.arguments);
    run_through(&mut bench)
}
