//! Real Redis and MongoDB servers that belong to the test that started them.
//!
//! A server listens on loopback only and writes to a given directory. It ends with its handle or with its owner: see
//! [`process::tethered`].

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

pub mod certificates;
mod clock;
pub mod process;
mod ready;

pub use clock::Clock;

/// The password of each Redis in a topology, with a character that URLs must escape.
pub const PASSWORD: &str = "sandbox-p@ss";
/// The password as part of a URL.
pub const SECRET: &str = ":sandbox-p%40ss@";

/// The configuration of Redis that we ship.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/redis.conf");

/// Start timeout of a server. On a loaded machine MongoDB takes seconds.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How many ports to try if another process takes them first.
const PORT_ATTEMPTS: u32 = 5;

/// A running `redis-server` or `mongod`; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    port: u16,
    child: Child,
}

/// The kind of a server and its data directory.
#[derive(Clone, Debug)]
struct Plan {
    kind: Kind,
    dir: PathBuf,
    /// Further arguments, before all others.
    extra: Vec<String>,
    /// Whether it requires [`PASSWORD`].
    guarded: bool,
    /// Its own wall clock, if it has one.
    clock: Option<Clock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Redis,
    /// A sentinel. Its configuration is in its directory.
    Sentinel,
    Mongo,
    /// A member of a replica set, which is formed once all members run.
    MongoMember,
    /// A single server without a replica set.
    MongoAlone,
}

impl Server {
    /// Starts Redis with the configuration that we ship, on `port` or a free one, and waits until it answers.
    ///
    /// Its data is in `dir`.
    pub async fn redis(dir: &Path, port: Option<u16>) -> Result<Server> {
        start(Plan::shipped(dir)?, port).await
    }

    /// Starts Redis with more arguments, e.g. the path of a configuration file. They come first.
    pub async fn redis_with(dir: &Path, extra: Vec<String>) -> Result<Server> {
        let plan = Plan::new(Kind::Redis, dir)?;
        start(Plan { extra, ..plan }, None).await
    }

    /// Starts Redis with its own wall clock, which [`clock`](Self::clock) sets. Linux only.
    pub async fn redis_with_clock(dir: &Path) -> Result<Server> {
        let plan = Plan::shipped(dir)?;
        let clock = if cfg!(target_os = "linux") {
            Some(Clock::new(&plan.dir)?)
        } else {
            None
        };
        start(Plan { clock, ..plan }, None).await
    }

    /// Its own wall clock, if it has one.
    pub fn clock(&self) -> Option<&Clock> {
        self.plan.clock.as_ref()
    }

    /// Starts a Redis of a topology: the shipped configuration, [`PASSWORD`], and `settings`, which it may rewrite when its
    /// role changes.
    pub(crate) async fn redis_member(dir: &Path, settings: &[String]) -> Result<Server> {
        let plan = Plan::new(Kind::Redis, dir)?;
        let file = plan.dir.join("redis.conf");
        let begin = format!("include {SHIPPED}\nrequirepass {PASSWORD}\nmasterauth {PASSWORD}\n");
        fs::write(&file, begin + &settings.join("\n") + "\n")?;
        let plan = Plan {
            extra: vec![file.display().to_string()],
            guarded: true,
            ..plan
        };
        start(plan, None).await
    }

    /// Starts a sentinel with these settings and [`PASSWORD`].
    pub(crate) async fn sentinel(dir: &Path, settings: &[String]) -> Result<Server> {
        let plan = Plan::new(Kind::Sentinel, dir)?;
        fs::write(plan.dir.join("sentinel.conf"), settings.join("\n") + "\n")?;
        let plan = Plan {
            guarded: true,
            ..plan
        };
        start(plan, None).await
    }

    /// Starts MongoDB as a one-node replica set, on `port` or a free one, and waits until it is primary.
    ///
    /// Its data is in `dir`. The set stores its port, so the same data needs the same port again.
    pub async fn mongo(dir: &Path, port: Option<u16>) -> Result<Server> {
        start(Plan::new(Kind::Mongo, dir)?, port).await
    }

    /// Starts MongoDB with more arguments, e.g. `--keyFile`. They come first.
    pub async fn mongo_with(dir: &Path, extra: Vec<String>) -> Result<Server> {
        let plan = Plan::new(Kind::Mongo, dir)?;
        start(Plan { extra, ..plan }, None).await
    }

    /// Starts MongoDB without a replica set.
    pub async fn mongo_alone(dir: &Path) -> Result<Server> {
        start(Plan::new(Kind::MongoAlone, dir)?, None).await
    }

    /// Starts MongoDB as a member of a replica set that is not formed yet.
    pub async fn mongo_member(dir: &Path) -> Result<Server> {
        start(Plan::new(Kind::MongoMember, dir)?, None).await
    }

    /// The server's URL for clients.
    pub fn url(&self) -> String {
        match self.plan.kind {
            Kind::Redis | Kind::Sentinel => {
                let secret = if self.plan.guarded { SECRET } else { "" };
                format!("redis://{secret}{}/", self.address())
            }
            Kind::Mongo => format!("mongodb://{}/?replicaSet=rs0", self.address()),
            Kind::MongoMember | Kind::MongoAlone => {
                format!("mongodb://{}/?directConnection=true", self.address())
            }
        }
    }

    /// Host and port it listens on.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its log file.
    pub fn log(&self) -> PathBuf {
        log_of(&self.plan.dir)
    }

    /// Kills it (SIGKILL), as a crash would.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the server")
    }

    /// Stops it (SIGTERM), and kills it after a timeout. Does nothing if it has ended.
    pub async fn stop(&mut self) -> Result<()> {
        process::stop(&mut self.child).await
    }

    /// Starts it again with the same port and data, stopping it first if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.child = spawn(&self.plan, self.port)?;
        self.ready().await
    }

    /// Freezes it (SIGSTOP): connections stay open without answers.
    pub fn pause(&self) -> Result<()> {
        signal(&self.child, Signal::STOP)
    }

    /// Resumes it after [`pause`](Server::pause).
    pub fn resume(&self) -> Result<()> {
        signal(&self.child, Signal::CONT)
    }

    /// Whether it has ended, and how.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it ends.
    pub async fn exited(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    async fn ready(&mut self) -> Result<()> {
        let limit = Instant::now() + START_LIMIT;
        loop {
            let answer = match self.plan.kind {
                Kind::Redis | Kind::Sentinel => {
                    let password = self.plan.guarded.then_some(PASSWORD);
                    ready::redis(self.port, password).await
                }
                Kind::Mongo => ready::mongo(self.port).await,
                Kind::MongoMember | Kind::MongoAlone => ready::mongo_member(self.port).await,
            };
            let Err(error) = answer else {
                return Ok(());
            };
            if let Some(status) = self.child.try_wait()? {
                let end = tail(&self.log(), 10);
                bail!("{} ended with {status}:\n{end}", self.plan.kind.program());
            }
            if Instant::now() > limit {
                let end = tail(&self.log(), 10);
                return Err(error.context(format!(
                    "{} does not serve:\n{end}",
                    self.plan.kind.program()
                )));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Kind::Redis | Kind::Sentinel => "redis-server",
            Kind::Mongo | Kind::MongoMember | Kind::MongoAlone => "mongod",
        }
    }
}

impl Plan {
    fn new(kind: Kind, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self {
            kind,
            dir: dir.canonicalize()?,
            extra: Vec::new(),
            guarded: false,
            clock: None,
        })
    }

    /// A Redis with the configuration that we ship.
    fn shipped(dir: &Path) -> Result<Self> {
        Ok(Self {
            extra: vec![SHIPPED.to_owned()],
            ..Self::new(Kind::Redis, dir)?
        })
    }

    fn command(&self, program: &Path, port: u16) -> Command {
        let mut command = tethered(program);
        if let Some(clock) = &self.clock {
            clock.apply(&mut command);
        }
        if self.kind == Kind::Sentinel {
            command
                .arg(self.dir.join("sentinel.conf"))
                .arg("--sentinel");
        }
        command
            .args(&self.extra)
            .arg("--port")
            .arg(port.to_string());
        match self.kind {
            Kind::Redis | Kind::Sentinel => command
                .args(["--bind", "127.0.0.1", "--dir"])
                .arg(&self.dir),
            Kind::Mongo | Kind::MongoMember | Kind::MongoAlone => command
                .args("--bind_ip 127.0.0.1 --nounixsocket".split(' '))
                .args(self.replication())
                .args("--wiredTigerCacheSizeGB 0.25".split(' '))
                .args("--setParameter diagnosticDataCollectionEnabled=false".split(' '))
                // It would otherwise linger for 15 s, for clients of a set with more members.
                .args("--setParameter shutdownTimeoutMillisForSignaledShutdown=100".split(' '))
                .arg("--dbpath")
                .arg(&self.dir),
        };
        command
    }
}

impl Plan {
    fn replication(&self) -> &[&str] {
        match self.kind {
            Kind::Mongo | Kind::MongoMember => &["--replSet", "rs0", "--oplogSize", "64"],
            _ => &[],
        }
    }
}

async fn start(plan: Plan, port: Option<u16>) -> Result<Server> {
    let mut attempts = if port.is_some() { 1 } else { PORT_ATTEMPTS };
    loop {
        let port = port.map_or_else(free_port, Ok)?;
        // Another process may have taken the port meanwhile.
        if attempts > 1 && !is_free(port) {
            attempts -= 1;
            continue;
        }
        let child = spawn(&plan, port)?;
        let mut server = Server {
            plan: plan.clone(),
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

fn spawn(plan: &Plan, port: u16) -> Result<Child> {
    let name = plan.kind.program();
    let program = find(name).with_context(|| {
        format!("{name} is not on PATH: run the tests with `cargo xtask test`, or install it")
    })?;
    // Otherwise another server on this port would be taken for ours.
    ensure!(is_free(port), "{name} cannot have port {port}: it is taken");
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(log_of(&plan.dir))?;
    plan.command(&program, port)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

fn log_of(dir: &Path) -> PathBuf {
    dir.join("server.log")
}
