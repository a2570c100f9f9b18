//! Measures Heyi against what it has to beat, and says what came out.
//!
//! `cargo xtask bench` runs every measurement, `cargo xtask bench queue http` some. What is to be compared
//! runs in turn in one run, so that whatever else the machine does falls on both alike. Nothing here judges:
//! the table and `bench/results.json` say which targets were met.

#![expect(
    clippy::print_stdout,
    reason = "a command that people run in a terminal"
)]

mod backlog;
mod compare;
mod cpu;
mod fresh;
mod growth;
mod hostile;
mod http;
mod idle;
mod machine;
mod memory;
mod notify;
mod orders;
mod pictures;
mod promote;
mod queue;
mod read;
mod release;
mod report;
mod series;
mod server;
mod worker;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

/// Measures Heyi.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// What to measure; everything when none is named
    names: Vec<Measurement>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Measurement {
    /// Events a second out of the queue, beside apalis-redis
    Queue,
    /// Paid orders a second that become codes, beside plain inserts
    Promote,
    /// Requests a second of the api, beside a route that answers a constant
    Http,
    /// Pages and lists a second, beside a constant and bare reads of MongoDB
    Read,
    /// From a notify to the code, beside one write to MongoDB
    Fresh,
    /// The same with ten times the data
    Growth,
    /// What honest callers see while strangers do their worst
    Hostile,
    /// Memory of idle processes, and how soon an idle worker starts on an event
    Idle,
    /// Receive codes that /decode reads out of pictures, beside rqrr
    Pictures,
    /// What a million events that wait cost: memory, the time of a read, what Redis keeps
    Backlog,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a route that answers a constant: what `http` measures against
    #[command(hide = true)]
    Floor(http::floor::Options),
    /// Say what differs between two files of results; fails when something got worse
    Compare {
        /// The results before, e.g. of the last release
        before: PathBuf,
        /// The results now
        #[arg(default_value = "dev/bench/results.json")]
        after: PathBuf,
    },
    /// Be the strangers of `hostile`
    #[command(hide = true)]
    Attack(hostile::attack::Plan),
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Floor(options)) => return http::floor::serve(&options).await,
        Some(Command::Compare { before, after }) => return compare::print(&before, &after),
        Some(Command::Attack(plan)) => return hostile::attack::run(plan).await,
        None => {}
    }
    release::build()?;
    let names = match arguments.names.as_slice() {
        [] => Measurement::value_variants(),
        some => some,
    };
    for name in names {
        let (title, rows) = match name {
            Measurement::Queue => ("queue", queue::measure().await?),
            Measurement::Promote => ("promote", promote::measure().await?),
            Measurement::Http => ("http", http::measure().await?),
            Measurement::Read => ("read", read::measure().await?),
            Measurement::Fresh => ("fresh", fresh::measure().await?),
            Measurement::Growth => ("growth", growth::measure().await?),
            Measurement::Hostile => ("hostile", hostile::measure().await?),
            Measurement::Idle => ("idle", idle::measure().await?),
            Measurement::Pictures => ("pictures", pictures::measure().await?),
            Measurement::Backlog => ("backlog", backlog::measure().await?),
        };
        report::print(title, &rows);
        report::save(title, &rows)?;
    }
    Ok(())
}
