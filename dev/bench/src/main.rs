//! Benchmarks of Heyi against baselines.
//!
//! `cargo xtask bench` runs every scenario, `cargo xtask bench queue http` some. A measurement and its baseline alternate
//! in one run, so other work of the machine affects both. A missed target is no error: the table and `results.json` say
//! which targets were met.

#![expect(
    clippy::print_stdout,
    reason = "a command that people run in a terminal"
)]

mod compare;
mod frame;

mod baseline;
mod load;
mod notify;
mod orders;
mod worker;

mod backlog;
mod fresh;
mod growth;
mod hostile;
mod http;
mod idle;
mod pictures;
mod promote;
mod queue;
mod read;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use self::frame::Scenario;

/// Measures Heyi.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// What to measure; everything by default
    names: Vec<Name>,
    /// One short round of each, of which nothing is saved: shows that it runs, also in a debug build
    #[arg(long)]
    quick: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// Events a second out of the queue, against a plain loop
    Queue,
    /// Paid orders a second that become codes, against plain inserts
    Promote,
    /// Requests a second of the api, against a route that answers a constant
    Http,
    /// Pages and lists a second, against a constant and plain reads of MongoDB
    Read,
    /// From a notify to the code, against one write to MongoDB
    Fresh,
    /// The same with ten times the data
    Growth,
    /// Honest requests during attacks
    Hostile,
    /// Memory of idle processes, and how soon an idle worker starts on an event
    Idle,
    /// Receive codes that /decode reads out of pictures, against rqrr
    Pictures,
    /// The cost of a million waiting events: memory, the time of a read, what Redis keeps
    Backlog,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare two files of results; fails if something got worse
    Compare {
        /// The results before, e.g. of the last release
        before: PathBuf,
        /// The results now
        #[arg(default_value = "dev/bench/results.json")]
        after: PathBuf,
    },
    /// Serve the baseline of `http` and `read`
    #[command(hide = true)]
    Baseline(baseline::Options),
    /// Run an attack of `hostile`
    #[command(hide = true)]
    Attack { plan: String },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Compare { before, after }) => return compare::print(&before, &after),
        Some(Command::Baseline(options)) => return baseline::serve(&options).await,
        Some(Command::Attack { plan }) => return hostile::attack::run(&plan).await,
        None => {}
    }
    ensure!(
        arguments.quick || !cfg!(debug_assertions),
        "a debug build is not worth measuring: use `cargo xtask bench`, or --quick"
    );
    let names = match arguments.names.as_slice() {
        [] => Name::value_variants(),
        some => some,
    };
    for name in names {
        let mut scenario = Scenario::new(name, arguments.quick);
        measure(*name, &mut scenario).await?;
        scenario.finish()?;
    }
    Ok(())
}

async fn measure(name: Name, scenario: &mut Scenario) -> Result<()> {
    match name {
        Name::Queue => queue::measure(scenario).await,
        Name::Promote => promote::measure(scenario).await,
        Name::Http => http::measure(scenario).await,
        Name::Read => read::measure(scenario).await,
        Name::Fresh => fresh::measure(scenario).await,
        Name::Growth => growth::measure(scenario).await,
        Name::Hostile => hostile::measure(scenario).await,
        Name::Idle => idle::measure(scenario).await,
        Name::Pictures => pictures::measure(scenario).await,
        Name::Backlog => backlog::measure(scenario).await,
    }
}
