//! Real Redis and MongoDB servers that belong to whoever started them.
//!
//! A server listens on loopback only, writes to a directory it is given and ends with its handle,
//! or with its owner: see [`process::tethered`].

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use self::process::{find, free_port, is_free, signal, tail, tethered};

pub mod process;
mod ready;

/// How long a server may take until it serves; a loaded machine needs seconds for MongoDB.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How many ports to try when another process is quicker.
const PORT_ATTEMPTS: u32 = 5;

/// A running `redis-server` or `mongod`; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    dir: PathBuf,
    port: u16,
    child: Child,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Redis,
    Mongo,
}

impl Server {
    /// Starts Redis on `port` or a free one, with its data in `dir`, and waits until it answers.
    ///
    /// Every write is on disk before it is answered, as in the configuration we ship.
    pub async fn redis(dir: &Path, port: Option<u16>) -> Result<Server> {
        start(Kind::Redis, dir, port).await
    }

    /// Starts MongoDB on `port` or a free one, as a one-node replica set with its data in `dir`,
    /// and waits until it is primary.
    ///
    /// The set remembers the port, so the same data needs the same port again.
    pub async fn mongo(dir: &Path, port: Option<u16>) -> Result<Server> {
        start(Kind::Mongo, dir, port).await
    }

    /// The URL under which clients find the server.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Redis => format!("redis://127.0.0.1:{}/", self.port),
            Kind::Mongo => format!("mongodb://127.0.0.1:{}/?replicaSet=rs0", self.port),
        }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it logs.
    pub fn log(&self) -> PathBuf {
        log_of(&self.dir)
    }

    /// Ends it at once (SIGKILL), as a crash would.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the server")
    }

    /// Ends it in good order (SIGTERM), or at once when that takes too long. One that has ended
    /// is left alone.
    pub async fn stop(&mut self) -> Result<()> {
        process::stop(&mut self.child).await
    }

    /// Starts it again with the same port and data, stopping it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.child = spawn(self.kind, &self.dir, self.port)?;
        self.ready().await
    }

    /// Freezes it (SIGSTOP): connections stay open, nothing is answered.
    pub fn pause(&self) -> Result<()> {
        signal(&self.child, Signal::STOP)
    }

    /// Lets it go on after [`pause`](Server::pause).
    pub fn resume(&self) -> Result<()> {
        signal(&self.child, Signal::CONT)
    }

    /// Waits until it ends, for whatever reason.
    pub async fn exited(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    async fn ready(&mut self) -> Result<()> {
        let limit = Instant::now() + START_LIMIT;
        loop {
            let answer = match self.kind {
                Kind::Redis => ready::redis(self.port).await,
                Kind::Mongo => ready::mongo(self.port).await,
            };
            let Err(error) = answer else {
                return Ok(());
            };
            if let Some(status) = self.child.try_wait()? {
                let end = tail(&self.log(), 10);
                bail!("{} ended with {status}:\n{end}", self.kind.program());
            }
            if Instant::now() > limit {
                let end = tail(&self.log(), 10);
                return Err(
                    error.context(format!("{} does not serve:\n{end}", self.kind.program()))
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Kind::Redis => "redis-server",
            Kind::Mongo => "mongod",
        }
    }

    fn command(self, program: &Path, dir: &Path, port: u16) -> Command {
        let mut command = tethered(program);
        command.arg("--port").arg(port.to_string());
        match self {
            Kind::Redis => command
                .args("--bind 127.0.0.1 --appendonly yes --appendfsync always".split(' '))
                .args(["--save", "", "--dir"])
                .arg(dir),
            Kind::Mongo => command
                .args("--bind_ip 127.0.0.1 --nounixsocket --replSet rs0 --oplogSize 64".split(' '))
                .args("--wiredTigerCacheSizeGB 0.25".split(' '))
                .args("--setParameter diagnosticDataCollectionEnabled=false".split(' '))
                // It would otherwise linger for 15 s, for clients of a set with more members.
                .args("--setParameter shutdownTimeoutMillisForSignaledShutdown=100".split(' '))
                .arg("--dbpath")
                .arg(dir),
        };
        command
    }
}

async fn start(kind: Kind, dir: &Path, port: Option<u16>) -> Result<Server> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let dir = dir.canonicalize()?;
    let mut attempts = if port.is_some() { 1 } else { PORT_ATTEMPTS };
    loop {
        let port = port.map_or_else(free_port, Ok)?;
        let child = spawn(kind, &dir, port)?;
        let mut server = Server {
            kind,
            dir: dir.clone(),
            port,
            child,
        };
        let Err(error) = server.ready().await else {
            return Ok(server);
        };
        attempts -= 1;
        let ended = server.child.try_wait()?.is_some();
        server.kill().await?;
        if attempts == 0 || !ended {
            return Err(error);
        }
    }
}

fn spawn(kind: Kind, dir: &Path, port: u16) -> Result<Child> {
    let name = kind.program();
    let program = find(name).with_context(|| {
        format!("{name} is not on PATH: run the tests with `cargo xtask test`, or install it")
    })?;
    // Else whoever is there would be taken for our server.
    ensure!(is_free(port), "{name} cannot have port {port}: it is taken");
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(log_of(dir))?;
    kind.command(&program, dir, port)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

fn log_of(dir: &Path) -> PathBuf {
    dir.join("server.log")
}
