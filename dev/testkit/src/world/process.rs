//! Heyi's own binaries as processes.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use heyi_common::healthcheck;
use rustix::process::Signal;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::binary;
use crate::servers::process::{free_port, signal, stop, tail, tethered};

const READY_LIMIT: Duration = Duration::from_secs(30);
/// Longer than a backtrace, since the error is above it.
const LOG_LINES: usize = 80;

/// A running `heyi-api` or `heyi-worker`. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    program: String,
    arguments: Vec<String>,
    settings: BTreeMap<String, String>,
    child: Child,
    port: u16,
    monitor_port: u16,
    log: PathBuf,
}

impl Service {
    /// Starts a program that logs to a file in `dir`, or to `output` if given.
    pub(super) fn start(
        program: &str,
        arguments: &[&str],
        port: u16,
        mut settings: BTreeMap<String, String>,
        dir: &Path,
        output: Option<Stdio>,
    ) -> Result<Self> {
        let log = dir.join(format!("{program}-{port}.log"));
        let has_monitor = settings.contains_key("HEYI_HTTP__MONITOR");
        let mut listen = |name: &str, port| {
            settings.insert(name.to_owned(), format!("127.0.0.1:{port}"));
        };
        let monitor_port = if program == "heyi-worker" {
            listen("HEYI_WORKER__LISTEN", port);
            port
        } else {
            let monitor_port = free_port()?;
            listen("HEYI_HTTP__LISTEN", port);
            if !has_monitor {
                listen("HEYI_HTTP__MONITOR", monitor_port);
            }
            monitor_port
        };
        let arguments: Vec<String> = arguments.iter().copied().map(str::to_owned).collect();
        let output = output.map_or_else(|| to_file(&log), Ok)?;
        Ok(Self {
            child: spawn(program, &arguments, &settings, output)?,
            program: program.to_owned(),
            arguments,
            settings,
            port,
            monitor_port,
            log,
        })
    }

    /// Starts it again with the same port and settings after its end. Does not wait until it is ready.
    pub fn restart(&mut self) -> Result<()> {
        let output = to_file(&self.log)?;
        self.child = spawn(&self.program, &self.arguments, &self.settings, output)?;
        Ok(())
    }

    /// Whether it has ended, and how.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it says that it is ready.
    pub async fn ready(mut self) -> Result<Self> {
        self.answers("readyz").await?;
        Ok(self)
    }

    /// Waits until its monitor answers a path with success.
    pub async fn answers(&mut self, path: &str) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.monitor_port));
        let limit = Instant::now() + READY_LIMIT;
        loop {
            let Err(error) = healthcheck::check(address, &format!("/{path}")).await else {
                return Ok(());
            };
            let log = || tail(&self.log, LOG_LINES);
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.program, log());
            }
            if Instant::now() > limit {
                bail!("{}: /{path}: {error:#}\n{}", self.program, log());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The URL of its monitor (`/readyz`, `/metrics`).
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its whole log.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it (SIGKILL), as a crash would.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill it")
    }

    /// Stops it (SIGTERM) and returns its exit status.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.end().await
    }

    /// As [`stop`](Self::stop), if it is started again later.
    pub async fn end(&mut self) -> Result<ExitStatus> {
        stop(&mut self.child).await?;
        self.child.wait().await.context("cannot wait for it")
    }

    /// Waits until it ends on its own.
    pub async fn exited(&mut self) -> Result<ExitStatus> {
        self.child.wait().await.context("cannot wait for it")
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) -> Result<()> {
        signal(&self.child, Signal::TERM)
    }

    /// Freezes it (SIGSTOP).
    pub fn pause(&self) -> Result<()> {
        signal(&self.child, Signal::STOP)
    }

    /// Resumes it after [`pause`](Self::pause).
    pub fn resume(&self) -> Result<()> {
        signal(&self.child, Signal::CONT)
    }
}

fn to_file(log: &Path) -> Result<Stdio> {
    let file = File::options().create(true).append(true).open(log)?;
    Ok(file.into())
}

fn spawn(
    program: &str,
    arguments: &[String],
    settings: &BTreeMap<String, String>,
    output: Stdio,
) -> Result<Child> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    command(program, &arguments, settings)?
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {program}"))
}

/// Runs a program to its end.
pub(super) async fn run(
    program: &str,
    arguments: &[&str],
    settings: &BTreeMap<String, String>,
) -> Result<Output> {
    command(program, arguments, settings)?
        .output()
        .await
        .with_context(|| format!("cannot run {program}"))
}

fn command(
    program: &str,
    arguments: &[&str],
    settings: &BTreeMap<String, String>,
) -> Result<Command> {
    let mut command = tethered(&binary(program)?);
    command
        .args(arguments)
        .env_remove("HEYI_CONFIG")
        .envs(settings);
    Ok(command)
}
