//! `cargo xtask bench`: benchmarks of Heyi against baselines.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    checkout::{Checkout, run_through, succeed},
    install,
};

/// What can be chosen about `bench`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// The profile that is built: `small` takes less time. `release` by default, `dev` for `--quick`
    #[arg(long)]
    profile: Option<String>,
    /// Names of scenarios, or `compare <before> [<after>]`; `--help` tells more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the programs and runs the benchmarks with these arguments.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    install::redis(checkout)?;
    install::mongod(checkout)?;
    let is_given = |argument: &str| options.arguments.iter().any(|given| given == argument);
    let measures = !["--quick", "--help", "compare"].into_iter().any(is_given);
    let usual = if measures { "release" } else { "dev" };
    let profile = options.profile.as_deref().unwrap_or(usual);
    let cargo = |command: &str| {
        let mut cargo = checkout.command("cargo");
        cargo.args([command, "--locked", "--profile", profile]);
        cargo
    };
    succeed(cargo("build").args(["--bin", "heyi-api", "--bin", "heyi-worker"]))?;
    let mut bench = cargo("run");
    bench.args(["--bin", "heyi-bench", "--"]);
    run_through(bench.args(&options.arguments))
}
