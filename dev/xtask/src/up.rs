//! `cargo xtask up`: runs everything on this machine until Ctrl-C.

use std::{
    convert::Infallible,
    env, fs,
    path::PathBuf,
    process::{ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::select_all;
use heyi_testkit::servers::process::is_free;
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

use self::{lock::Lock, memory::Memory, part::Part};
use crate::{checkout::Checkout, install};

mod lock;
mod memory;
mod part;
mod plan;

/// What can be chosen about `up`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port of the api; the others are shown once all runs.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Forget all data and secrets of earlier runs.
    #[arg(long)]
    fresh: bool,
    /// Build with optimizations.
    #[arg(long)]
    release: bool,
}

/// Starts everything and waits for Ctrl-C (success) or for the end of any part (failure).
pub(crate) async fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    let mut lock = Lock::take(&checkout.dir("")?.join("up.lock"))?;
    ensure!(
        is_free(options.port),
        "port {} is taken: choose another with --port",
        options.port
    );
    if options.fresh {
        fs::remove_dir_all(checkout.dir("data")?)?;
    }
    install::make()?;
    if install::given("HEYI_REDIS__URL").is_none() {
        install::redis(checkout)?;
    }
    if install::given("HEYI_MONGO__URL").is_none() {
        install::mongod(checkout)?;
    }

    let mut parts = Vec::new();
    let failure = tokio::select! {
        Err(failure) = serve(checkout, options, &mut lock, &mut parts) => Some(failure),
        interrupted = interrupted() => interrupted.err(),
    };
    if let Some(failure) = &failure {
        println!("\n{failure:#}");
    }
    println!("\nstopping");
    tokio::select! {
        stopped = stop(&mut parts) => stopped?,
        // Dropping the parts kills them.
        interrupted = interrupted() => interrupted?,
    }
    if failure.is_some() {
        println!("everything is stopped, because of the failure above");
        return Ok(ExitCode::FAILURE);
    }
    println!("everything is stopped");
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    checkout: &Checkout,
    options: &Options,
    lock: &mut Lock,
    parts: &mut Vec<Part>,
) -> Result<Infallible> {
    let programs = build(checkout, options.release).await?;
    let memory = Memory::load(checkout)?;
    let redis = match install::given("HEYI_REDIS__URL") {
        Some(url) => url,
        None => part::redis(checkout, memory.redis_port, parts).await?,
    };
    let mongo = match install::given("HEYI_MONGO__URL") {
        Some(url) => url,
        None => part::mongo(checkout, memory.mongo_port, parts).await?,
    };
    let plans = plan::plans(&memory, options.port, &redis, &mongo);
    let settings = plan::write_settings(checkout, &plans)?;
    for plan in plans {
        part::program(checkout, &programs, plan, parts).await?;
    }

    println!();
    for part in &*parts {
        println!(
            "  {:<8} {:<52} {}",
            part.name,
            part.address,
            part.log_name()
        );
    }
    let page = format!("http://127.0.0.1:{}/", memory.sandbox_port);
    let worker = programs.join("heyi-worker");
    println!(
        "\nLook into the queue with  HEYI_CONFIG={} {} queue",
        checkout.relative(&settings),
        checkout.relative(&worker)
    );
    println!(
        "From a shell (docs/sandbox.md)\n  export {}",
        plan::variables(&memory, options.port)
    );
    println!("Try it at {page}\nCtrl-C stops everything.");
    lock.tell(&page)?;

    let (failure, ..) = select_all(parts.iter_mut().map(|part| Box::pin(part.ended()))).await;
    Err(failure)
}

/// Builds the programs and returns their directory.
async fn build(checkout: &Checkout, release: bool) -> Result<PathBuf> {
    let mut cargo = Command::from(checkout.command("cargo"));
    cargo.args(["build", "--locked"]);
    for program in ["heyi-api", "heyi-worker", "heyi-sandbox"] {
        cargo.args(["--bin", program]);
    }
    if release {
        cargo.arg("--release");
    }
    let status = cargo
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await?;
    ensure!(status.success(), "the build failed");
    // This program is `target/debug/xtask`.
    let here = env::current_exe()?;
    let target = here.ancestors().nth(2).context("no target directory")?;
    Ok(target.join(if release { "release" } else { "debug" }))
}

/// Stops the parts in reverse order of their start, so that none loses a part that it needs.
async fn stop(parts: &mut Vec<Part>) -> Result<()> {
    let mut failed = Vec::new();
    while let Some(mut part) = parts.pop() {
        if let Err(error) = part.stop().await {
            failed.push(format!("{}: {error:#}", part.name));
        }
    }
    if !failed.is_empty() {
        bail!("could not stop everything: {}", failed.join("; "));
    }
    Ok(())
}

/// Waits for Ctrl-C, SIGTERM, or the end of the terminal.
async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}
