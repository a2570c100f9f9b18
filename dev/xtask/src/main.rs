//! The commands of the README: `cargo xtask up`, `test`, `chaos`, `bench` and `font`.
#![expect(clippy::print_stdout, reason = "these commands talk to a person")]

use std::process::ExitCode;

use clap::Parser;

mod bench;
mod chaos;
mod checkout;
mod font;
mod install;
mod test;
mod up;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Run everything on this machine: Redis, MongoDB, sandbox, api, worker.
    Up(up::Options),
    /// Check everything that must hold. This is what CI runs.
    Test(test::Options),
    /// Break a running Heyi in every known way, and count what was lost.
    Chaos(chaos::Options),
    /// Make the font of the posters anew.
    Font,
    /// Measure Heyi beside what it could be at best.
    Bench(bench::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Command::parse();
    run(command).await.unwrap_or_else(|error| {
        println!("{error:#}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let checkout = checkout::enter()?;
    match command {
        Command::Up(options) => up::run(&checkout, &options).await,
        Command::Test(options) => test::run(&checkout, &options).await,
        Command::Chaos(options) => chaos::run(&checkout, &options),
        Command::Font => font::run(&checkout),
        Command::Bench(options) => bench::run(&checkout, &options),
    }
}
