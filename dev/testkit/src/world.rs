//! The environment of one test: stores, a sandbox, and Heyi's binaries as processes.

pub mod browser;
mod client;
mod process;
mod samples;
mod signing;

use std::{
    collections::BTreeMap,
    env,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use heyi_common::{
    config::{Config, Process},
    pending_orders::PendingOrders,
    queue::Queue,
    redis::Redis,
    store::Store,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub use client::{Answer, Client, Person};
pub use process::Service;
pub use samples::{data, payloads};
pub use signing::{now, params, signed, signed_at, signed_plainly};

use heyi_sandbox::{Options, Sandbox};

use crate::servers::{PASSWORD, Server, process::free_port};

const MCHID: &str = "1600000001";
const KEY: &str = "SANDBOXKEY123456";
const APPID: &str = "wx0000000000000000";
const WECHAT_SECRET: &str = "sandbox-wechat-secret";
const APP_KEY: &str = "sandbox-app-key";
const SESSION_SECRET: &str = "sandbox-session-secret-0123456789";
/// PayJS's schedule, a thousand times faster: 0, 15, 30, 180, 1800, 3600 ms.
const NOTIFY_FACTOR: f64 = 0.001;
/// Slower, so that the last notifies come after a failover: 0, 0.1, 0.2, 0.9, 9, 18 s.
const PATIENT_NOTIFY_FACTOR: f64 = 0.005;
const WAIT_LIMIT: Duration = Duration::from_secs(60);
const WAIT_STEP: Duration = Duration::from_millis(20);

/// The stores, sandbox and settings of one test.
pub struct World {
    /// PayJS and WeChat.
    pub sandbox: Sandbox,
    /// This world's own Redis, if it has one.
    pub redis: Option<Server>,
    /// This world's own MongoDB, if it has one.
    pub mongo: Option<Server>,
    /// Whether the stores are removed with this world.
    owns_stores: bool,
    settings: BTreeMap<String, String>,
    api_port: u16,
    dir: TempDir,
}

impl World {
    /// A world on the shared stores of the test run (`HEYI_REDIS__URL`, `HEYI_MONGO__URL`), with its own key prefix and
    /// database.
    pub async fn new() -> Result<Self> {
        let store = |name: &str| {
            env::var_os(name)
                .and_then(|url| url.into_string().ok())
                .with_context(|| {
                    format!("{name} is not set: run the tests with `cargo xtask test`")
                })
        };
        let stores = (store("HEYI_REDIS__URL")?, store("HEYI_MONGO__URL")?);
        Self::over(
            stores.0,
            stores.1,
            free_port()?,
            NOTIFY_FACTOR,
            tempfile::tempdir()?,
        )
        .await
    }

    /// A world on the test's own stores that fail over. PayJS repeats its notifies longer than a failover takes.
    pub async fn on(redis_url: String, mongo_url: String) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        Ok(Self {
            owns_stores: true,
            ..Self::over(
                redis_url,
                mongo_url,
                free_port()?,
                PATIENT_NOTIFY_FACTOR,
                dir,
            )
            .await?
        })
    }

    /// A world on these stores. Its api, or a proxy before it, listens on `api_port`.
    /// `notify_factor` multiplies the times between notifies. Processes log to `dir`.
    pub async fn over(
        redis_url: String,
        mongo_url: String,
        api_port: u16,
        notify_factor: f64,
        dir: TempDir,
    ) -> Result<Self> {
        let api = format!("http://127.0.0.1:{api_port}");
        let options = Options {
            mchid: MCHID.to_owned(),
            key: KEY.into(),
            appid: APPID.to_owned(),
            secret: WECHAT_SECRET.into(),
            api_url: Some(api.parse()?),
            app_key: APP_KEY.into(),
            notify_factor,
        };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let sandbox = Sandbox::start(options, listener).await?;
        let settings = settings(&sandbox, redis_url, mongo_url, &api);
        Ok(Self {
            sandbox,
            redis: None,
            mongo: None,
            owns_stores: false,
            settings,
            api_port,
            dir,
        })
    }

    /// A world with its own Redis and MongoDB, for tests that stop or kill them.
    pub async fn with_own_stores() -> Result<Self> {
        Self::with_stores(async |dir: &Path| Server::redis(dir, None).await).await
    }

    /// A world with its own stores, and a Redis whose wall clock the test sets.
    pub async fn with_redis_clock() -> Result<Self> {
        Self::with_stores(Server::redis_with_clock).await
    }

    /// A world with its own stores, and arguments for Redis, e.g. the path of a configuration file.
    pub async fn with_redis_of(arguments: Vec<String>) -> Result<Self> {
        Self::with_stores(async |dir: &Path| Server::redis_with(dir, arguments).await).await
    }

    async fn with_stores(start_redis: impl AsyncFnOnce(&Path) -> Result<Server>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (redis_dir, mongo_dir) = (dir.path().join("redis"), dir.path().join("mongo"));
        std::fs::create_dir_all(&redis_dir)?;
        std::fs::create_dir_all(&mongo_dir)?;
        let (redis, mongo) =
            tokio::try_join!(start_redis(&redis_dir), Server::mongo(&mongo_dir, None))?;
        let (redis_url, mongo_url) = (redis.url(), mongo.url());
        Ok(Self {
            redis: Some(redis),
            mongo: Some(mongo),
            owns_stores: true,
            ..Self::over(redis_url, mongo_url, free_port()?, NOTIFY_FACTOR, dir).await?
        })
    }

    /// Changes a setting, e.g. `HEYI_ORDERS__PRICES`, for everything that is started or read later.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.insert(name.to_owned(), value.into());
    }

    /// The configuration of a process.
    pub fn config(&self, process: Process) -> Result<Config> {
        Ok(Config::from_sources(process, None, self.settings.clone())?)
    }

    /// The queue, as the processes see it.
    pub fn queue(&self) -> Result<Queue> {
        let config = self.config(Process::Worker)?;
        Ok(Queue::new(
            Redis::new(&config.redis)?,
            &config.redis,
            &config.queue,
        ))
    }

    /// The pending orders.
    pub fn orders(&self) -> Result<PendingOrders> {
        let queue = self.queue()?;
        Ok(PendingOrders::new(
            queue.redis().clone(),
            queue.keys().clone(),
        ))
    }

    /// The database.
    pub async fn store(&self) -> Result<Store> {
        Store::new(&self.config(Process::Worker)?.mongo).await
    }

    /// A client of this world's api.
    pub fn client(&self) -> Result<Client> {
        Client::new(
            &format!("http://127.0.0.1:{}", self.api_port),
            APP_KEY,
            self.sandbox.clone(),
        )
    }

    /// Starts `heyi-api` and waits until it is ready.
    pub async fn api(&self) -> Result<Service> {
        self.start_api()?.ready().await
    }

    /// Starts `heyi-api` without waiting until it is ready.
    pub fn start_api(&self) -> Result<Service> {
        self.start("heyi-api", &[], self.api_port)
    }

    /// Starts `heyi-worker` and waits until it is ready.
    pub async fn worker(&self) -> Result<Service> {
        self.start_worker()?.ready().await
    }

    /// Starts `heyi-worker` without waiting until it is ready.
    pub fn start_worker(&self) -> Result<Service> {
        self.start("heyi-worker", &["run"], free_port()?)
    }

    /// Runs an operator command of `heyi-worker` to its end.
    pub async fn operate(&self, arguments: &[&str]) -> Result<std::process::Output> {
        process::run("heyi-worker", arguments, &self.settings).await
    }

    /// A setting of this world, e.g. the key prefix or database, for direct access to the stores.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    /// A directory that is removed with this world.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Keeps the directory after this world.
    pub fn keep_dir(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// Starts a program on its own port, with settings that override those of the world.
    pub fn start_with(
        &self,
        program: &str,
        port: u16,
        settings: &[(&str, String)],
    ) -> Result<Service> {
        let own = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let settings = self.settings.clone().into_iter().chain(own).collect();
        Service::start(program, &[], port, settings, self.dir.path(), None)
    }

    /// Starts `heyi-api` and `heyi-worker` with the test's own stderr, and waits until they are ready.
    pub async fn both_into(&self, outputs: [Stdio; 2]) -> Result<[Service; 2]> {
        let [of_api, of_worker] = outputs;
        let start = |program: &str, port, output| {
            let settings = self.settings.clone();
            Service::start(program, &[], port, settings, self.dir.path(), Some(output))
        };
        let api = start("heyi-api", self.api_port, of_api)?;
        let worker = start("heyi-worker", free_port()?, of_worker)?;
        Ok([api.ready().await?, worker.ready().await?])
    }

    fn start(&self, program: &str, arguments: &[&str], port: u16) -> Result<Service> {
        let settings = self.settings.clone();
        Service::start(program, arguments, port, settings, self.dir.path(), None)
    }

    /// Ends the world and drops its keys and database. An event that is still waiting is an error.
    pub async fn finish(self) -> Result<()> {
        self.sandbox.stop().await;
        let status = self.queue()?.status().await;
        if !self.owns_stores {
            self.drop_stores().await?;
        }
        let status = status?;
        ensure!(
            status.waiting == 0 && status.retries == 0 && status.confirms == 0,
            "the test leaves events behind: {status:?}"
        );
        Ok(())
    }

    async fn drop_stores(&self) -> Result<()> {
        let queue = self.queue()?;
        let mut connection = queue.redis().shared();
        let pattern = format!("{}*", self.setting("HEYI_REDIS__PREFIX"));
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query_async(&mut connection)
            .await?;
        if !keys.is_empty() {
            let () = redis::cmd("DEL")
                .arg(keys)
                .query_async(&mut connection)
                .await?;
        }
        self.store().await?.drop_database().await?;
        Ok(())
    }
}

fn settings(
    sandbox: &Sandbox,
    redis_url: String,
    mongo_url: String,
    api: &str,
) -> BTreeMap<String, String> {
    let unique = format!("{:016x}", rand::random::<u64>());
    let has_sentinels = redis_url.starts_with("redis+sentinel");
    let sentinel_password = if has_sentinels { PASSWORD } else { "" };
    let settings = [
        ("HTTP__LISTEN", api.trim_start_matches("http://").to_owned()),
        ("HTTP__PUBLIC_URL", api.to_owned()),
        ("HTTP__RATE_LIMIT", "0".to_owned()),
        ("HTTP__CONNECTIONS_PER_ADDRESS", "0".to_owned()),
        ("PAYJS__NATIVE_RATE", "0".to_owned()),
        ("WECHAT__LOGIN_RATE", "0".to_owned()),
        ("REDIS__SENTINEL_PASSWORD", sentinel_password.to_owned()),
        ("REDIS__URL", redis_url),
        ("REDIS__PREFIX", format!("test-{unique}:")),
        ("MONGO__URL", mongo_url),
        ("MONGO__DATABASE", format!("heyi-test-{unique}")),
        ("PAYJS__MCHID", MCHID.to_owned()),
        ("PAYJS__KEY", KEY.to_owned()),
        ("PAYJS__NOTIFY_URL", format!("{api}/notify")),
        ("PAYJS__API_BASE", sandbox.payjs_url().to_string()),
        ("WECHAT__APPID", APPID.to_owned()),
        ("WECHAT__SECRET", WECHAT_SECRET.to_owned()),
        ("WECHAT__API_BASE", sandbox.wechat_url().to_string()),
        ("SIGN__APP_KEY", APP_KEY.to_owned()),
        ("SIGN__SESSION_SECRET", SESSION_SECRET.to_owned()),
    ];
    settings
        .into_iter()
        .map(|(name, value)| (format!("HEYI_{name}"), value))
        .collect()
}

/// Waits until `condition` holds, or fails with `what` after a minute.
///
/// Errors are retried too, since a server may stall for seconds while many tests start. The last one is reported.
pub async fn eventually(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let limit = Instant::now() + WAIT_LIMIT;
    loop {
        let state = condition().await;
        if matches!(state, Ok(true)) {
            return Ok(());
        }
        if Instant::now() >= limit {
            let waited = || format!("timed out waiting for {what}");
            return state
                .and_then(|_| bail!("it is not so"))
                .with_context(waited);
        }
        sleep(WAIT_STEP).await;
    }
}

/// The path of a binary of this workspace, next to the running test.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = env::current_exe()?;
    let found = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!("{name} is not built: run `cargo build --workspace --bins` or `cargo xtask test`")
    })
}
