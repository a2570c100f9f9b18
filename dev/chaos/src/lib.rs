//! Tests the promise under faults: *no acknowledged payment is lost, and none is promoted twice*.
//!
//! [`run`] starts a [`fleet`] of real processes and clients ([`load`]) that place, pay and query orders. Meanwhile it
//! injects ([`inject`]) a [`plan`] of faults, which follows from a seed. After the last fault it waits until the queue is
//! empty ([`settle`]). Then it reads the [`books`] of PayJS, MongoDB and Redis and reconciles them ([`mod@reconcile`]).

pub mod fault;
pub mod plan;
pub mod store;
pub mod topology;

pub mod fleet;

mod flood;
pub mod inject;
pub mod load;
pub mod order;
pub mod settle;
pub mod watch;

pub mod books;
pub mod reconcile;
pub mod recovery;
pub mod report;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    books::Books,
    fleet::{Ended, Fleet},
    inject::Injected,
    load::Load,
    order::Orders,
    plan::Plan,
    reconcile::{Class, Violation, reconcile},
    recovery::recovery,
    report::{Counts, Report},
    topology::Topology,
};

/// How long clients keep asking after the last order, and how long the queue may take to become empty.
const PATIENCE: Duration = Duration::from_secs(180);
/// The highest rate, in orders a second: more than one machine can run.
const FASTEST: f64 = 1_000.0;

/// The options of a run.
#[derive(Debug, Clone, Copy, Serialize, clap::Args)]
pub struct Options {
    /// How long orders and faults go on
    #[arg(long, default_value_t = 5.0)]
    pub minutes: f64,
    /// Decides the faults; a random one when not given
    #[arg(long, hide_default_value = true, default_value_t = rand::random_range(0..1_000_000))]
    pub seed: u64,
    /// Orders a second
    #[arg(long, default_value_t = 20.0)]
    pub rate: f64,
    /// The stores below the two apis and the two workers
    #[arg(long, value_enum, default_value_t = Topology::Single)]
    pub topology: Topology,
}

/// Runs the test. If the promise was broken, logs and data are kept, and their path is passed to `say`.
pub async fn run(options: Options, say: impl Fn(&str)) -> Result<Report> {
    ensure!(
        options.rate > 0.0 && options.rate <= FASTEST,
        "rate is {}, not above 0 and at most {FASTEST}",
        options.rate
    );
    let length = Duration::try_from_secs_f64(options.minutes * 60.0).context("minutes")?;
    let plan = Plan::new(options.seed, length, options.topology);
    let mut fleet = Fleet::start(options.topology).await?;
    say(&format!("{} faults to come", plan.faults().len()));
    let orders = Arc::new(Orders::default());
    let ended = Mutex::new(Vec::new());
    let outcome = tokio::select! {
        outcome = drive(&fleet, &plan, options, length, &orders, &say) => outcome,
        supervised = fleet.supervise(&ended) => {
            supervised?;
            bail!("nobody supervises the processes")
        }
    };
    let report = outcome.and_then(|(injected, books)| {
        conclude(
            options,
            orders.begun(),
            &books,
            injected,
            ended.into_inner(),
        )
    });
    if !report.as_ref().is_ok_and(Report::is_clean) {
        fleet.world.keep_dir();
        say(&format!("logs and data: {}", fleet.world.dir().display()));
    }
    fleet.stop().await?;
    report
}

async fn drive(
    fleet: &Fleet,
    plan: &Plan,
    options: Options,
    length: Duration,
    orders: &Arc<Orders>,
    say: &impl Fn(&str),
) -> Result<(Vec<Injected>, Books)> {
    let world = &fleet.world;
    let name = world.setting("HEYI_MONGO__DATABASE");
    let database = watch::database(world.setting("HEYI_MONGO__URL"), name).await?;
    let load = Load::new(
        world,
        Arc::clone(orders),
        options.seed,
        options.rate,
        length,
    )
    .await?;
    let watching = watch::watch(world.sandbox.clone(), database.clone(), Arc::clone(orders));
    let driving = async {
        let start = Instant::now();
        let ordering = async { Ok(load.run(length, PATIENCE).await) };
        let (injected, clients) =
            tokio::try_join!(inject::carry_out(fleet, plan, start), ordering)?;
        say("all is healed; waiting until it is quiet");
        fleet.ready().await?;
        // The reconciliation finds orders that still wait after that.
        let _ = timeout(PATIENCE, clients.wait()).await;
        fleet.settled().await?;
        settle::until_quiet(&world.queue()?, &world.sandbox, PATIENCE).await?;
        let books = Books::read(world, &database, orders.snapshot()).await?;
        Ok((injected, books))
    };
    tokio::select! {
        driven = driving => driven,
        () = watching => bail!("nobody watches the promotions"),
    }
}

fn conclude(
    options: Options,
    begun: usize,
    books: &Books,
    injected: Vec<Injected>,
    ended: Vec<Ended>,
) -> Result<Report> {
    let mut violations = reconcile(books);
    violations.extend(ended.iter().map(|one| Violation {
        class: Class::Ended,
        out_trade_no: None,
        what: format!("{} ended with {}", one.node, one.status),
        known: vec![format!("noticed at {}", one.at)],
    }));
    ensure!(
        !violations.is_empty() || !books.codes.is_empty(),
        "no order became a code, so the run proves nothing"
    );
    let mut classes = BTreeMap::new();
    for violation in &violations {
        *classes.entry(violation.class.to_string()).or_default() += 1;
    }
    Ok(Report {
        options,
        recovery: recovery(&injected, &books.placed),
        counts: Counts::new(begun, books),
        classes,
        violations,
        ended,
        injected,
    })
}
