//! The parts that run: servers and our own programs alike.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Error, Result, anyhow};
use heyi_common::healthcheck;
use heyi_testkit::servers::{
    Server,
    process::{self, tail, tethered},
};
use tokio::{
    process::Child,
    time::{Instant, sleep},
};

use super::plan::{self, Plan};
use crate::checkout::Checkout;

/// The start timeout of one of our programs.
const START_LIMIT: Duration = Duration::from_secs(60);
const TAIL_LINES: usize = 20;

/// A running part; dropping it kills it.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) address: String,
    log: PathBuf,
    process: Process,
}

enum Process {
    Server(Server),
    Program(Child),
}

impl Part {
    /// The path of its log, relative to the checkout.
    pub(super) fn log_name(&self) -> String {
        log_name(self.name)
    }

    /// Waits until it ends, which is an error whatever its status.
    pub(super) async fn ended(&mut self) -> Error {
        let status = match &mut self.process {
            Process::Server(server) => server.exited().await,
            Process::Program(child) => child.wait().await.map_err(Error::from),
        };
        match status {
            Ok(status) => self.failure(&format!("{} ended with {status}", self.name)),
            Err(error) => error.context(format!("cannot wait for {}", self.name)),
        }
    }

    /// An error with the end of its log.
    fn failure(&self, what: &str) -> Error {
        let end = tail(&self.log, TAIL_LINES);
        anyhow!("the end of {}:\n{end}\n\n{what}", self.log_name())
    }

    /// Stops it gracefully.
    pub(super) async fn stop(&mut self) -> Result<()> {
        match &mut self.process {
            Process::Server(server) => server.stop().await,
            Process::Program(child) => process::stop(child).await,
        }
    }
}

/// Starts Redis and returns its URL.
pub(super) async fn redis(checkout: &Checkout, port: u16, parts: &mut Vec<Part>) -> Result<String> {
    println!("starting redis");
    let dir = checkout.dir("data/redis")?;
    let server = Server::redis(&dir, Some(port)).await?;
    add_server(checkout, "redis", server, parts)
}

/// Starts MongoDB and returns its URL.
pub(super) async fn mongo(checkout: &Checkout, port: u16, parts: &mut Vec<Part>) -> Result<String> {
    println!("starting mongodb");
    let dir = checkout.dir("data/mongodb")?;
    let server = Server::mongo(&dir, Some(port)).await?;
    add_server(checkout, "mongodb", server, parts)
}

/// Starts one of our programs and waits until it is ready.
pub(super) async fn program(
    checkout: &Checkout,
    programs: &Path,
    plan: Plan,
    parts: &mut Vec<Part>,
) -> Result<()> {
    println!("starting {}", plan.name);
    let log = checkout.dir("log")?.join(format!("{}.log", plan.name));
    let output = File::create(&log)?;
    let child = tethered(&programs.join(plan.binary))
        .envs(plan.environment)
        .current_dir(checkout.path(""))
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {}", plan.binary))?;
    parts.push(Part {
        name: plan.name,
        address: plan::url(plan.port),
        log,
        process: Process::Program(child),
    });
    let part = parts.last_mut().context("no part")?;
    let ready = tokio::select! {
        failure = part.ended() => return Err(failure),
        ready = ready(plan.ready) => ready,
    };
    ready.map_err(|error| {
        let limit = START_LIMIT.as_secs();
        part.failure(&format!(
            "{} is not ready after {limit} s: {error:#}",
            plan.name
        ))
    })
}

fn add_server(
    checkout: &Checkout,
    name: &'static str,
    server: Server,
    parts: &mut Vec<Part>,
) -> Result<String> {
    // Its log is in its data directory; this makes all logs available in one place.
    let log = checkout.path(&log_name(name));
    checkout.dir("log")?;
    match fs::remove_file(&log) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => symlink(server.log(), &log)?,
    }
    let address = server.url();
    parts.push(Part {
        name,
        address: address.clone(),
        log,
        process: Process::Server(server),
    });
    Ok(address)
}

async fn ready((port, path): (u16, &str)) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let limit = Instant::now() + START_LIMIT;
    loop {
        let Err(error) = healthcheck::check(address, path).await else {
            return Ok(());
        };
        if Instant::now() > limit {
            return Err(error);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn log_name(name: &str) -> String {
    format!(".heyi/log/{name}.log")
}
