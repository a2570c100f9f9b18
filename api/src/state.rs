//! The shared state of all handlers.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use heyi_common::{
    config::Config,
    gateway::Gateways,
    http,
    pending_orders::PendingOrders,
    queue::Queue,
    redis::Redis,
    scans::{ScanCounter, Scans},
    store::Store,
    telemetry, wechat,
};
use metrics::{Counter, counter};
use mongodb::bson::oid::ObjectId;
use url::Url;

use crate::{
    codes::Codes,
    http::{
        budget::Budgets, error::Error, outbound::Outbound, rate_limit::RateLimit,
        untrusted_proxy::UntrustedProxies,
    },
    meters::{self, Notifies},
    pages::Pages,
    pictures::{
        cpu_permits::CpuPermits,
        poster::{self, Posters},
        qr::Picture,
        upload_slots::UploadSlots,
    },
    room::OrderRoom,
};

/// Handles to the shared state. Every layer clones it for every request, so it is one pointer.
#[derive(Clone)]
pub struct AppState(Arc<Handles>);

impl Deref for AppState {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0
    }
}

/// See [`AppState`].
pub struct Handles {
    shared: Arc<Shared>,
    pub(crate) redis: Redis,
    pub(crate) orders: PendingOrders,
    pub(crate) queue: Queue,
    pub(crate) scans: Scans,
    pub(crate) store: Store,
}

impl Deref for Handles {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// State that exists once per process.
pub struct Shared {
    pub(crate) config: Config,
    /// Codes as payers see them.
    pub(crate) codes: Codes,
    /// Scans that this process has counted.
    pub(crate) counter: ScanCounter,
    pub(crate) wechat: wechat::Client,
    pub(crate) gateways: Gateways,
    pub(crate) pages: Pages,
    pub(crate) posters: Arc<Posters>,
    /// CPU permits for drawing posters.
    pub(crate) cpu_permits: CpuPermits,
    pub(crate) limit: RateLimit,
    pub(crate) budgets: Budgets,
    pub(crate) untrusted: UntrustedProxies,
    pub(crate) outbound: Outbound,
    pub(crate) upload_slots: UploadSlots,
    /// Counters of notifies.
    pub(crate) notifies: Notifies,
    /// Whether the settings match those of the installation.
    is_installed: AtomicBool,
    /// Whether Redis has memory for new orders.
    pub(crate) room: OrderRoom,
    /// Refused orders, by reason.
    pub(crate) orders_refused: OrdersRefused,
    pub(crate) metrics: telemetry::Metrics,
}

/// Valid orders that `/newOrder` refused, by reason.
pub(crate) struct OrdersRefused {
    pub(crate) too_many_open: Counter,
    pub(crate) memory: Counter,
}

impl OrdersRefused {
    fn new() -> Self {
        let counter = |reason| counter!("heyi_orders_refused_total", "reason" => reason);
        Self {
            too_many_open: counter("too_many_open"),
            memory: counter("memory"),
        }
    }
}

impl Shared {
    /// Refuses writes to the queue until the settings are known to match the installation. Otherwise an order could
    /// enter a queue that no worker reads.
    pub(crate) fn check_installed(&self) -> Result<(), Error> {
        if self.is_installed.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(Error::Starting)
        }
    }

    pub(crate) fn set_installed(&self) {
        self.is_installed.store(true, Ordering::Relaxed);
    }
}

impl AppState {
    /// Creates the state. Connects to each store on first use, so the process starts while a store is unavailable.
    pub async fn new(config: Config) -> anyhow::Result<Self> {
        // Must come first: counters created earlier would record nothing.
        let metrics = telemetry::metrics();
        meters::declare();
        let http = http::client()?;
        let redis = Redis::new(&config.redis)?;
        let queue = Queue::new(redis.clone(), &config.redis, &config.queue);
        let store = Store::new(&config.mongo).await?;
        let shared = Shared {
            codes: Codes::new(config.orders.payloads.clone(), config.http.code_cache_mib),
            counter: ScanCounter::new(Scans::new(redis.clone(), queue.keys().clone())),
            wechat: wechat::Client::new(http.clone(), &config.wechat),
            gateways: Gateways::new(http, &config),
            pages: Pages::new()?,
            posters: Arc::new(Posters::new()?),
            cpu_permits: poster::cpu_permits(),
            limit: RateLimit::new(&config.http),
            budgets: Budgets::new(&config),
            untrusted: UntrustedProxies::default(),
            outbound: Outbound::default(),
            upload_slots: UploadSlots::new(),
            notifies: Notifies::new(),
            is_installed: AtomicBool::new(false),
            room: OrderRoom::default(),
            orders_refused: OrdersRefused::new(),
            metrics,
            config,
        };
        let state = Self::with(Arc::new(shared), redis, store);
        let longest = state.page_url(&ObjectId::from_bytes([0xFF; 12]).to_hex());
        Picture::new(&longest).context("http.public_url is too long for a QR code")?;
        Ok(state)
    }

    /// The same state with its own connections to Redis and MongoDB, which belong to the current runtime.
    pub(crate) fn for_another_runtime(&self) -> anyhow::Result<Self> {
        let redis = Redis::new(&self.config.redis)?;
        let store = self.store.with_own_connections()?;
        Ok(Self::with(self.shared.clone(), redis, store))
    }

    fn with(shared: Arc<Shared>, redis: Redis, store: Store) -> Self {
        let config = &shared.config;
        let queue = Queue::new(redis.clone(), &config.redis, &config.queue);
        Self(Arc::new(Handles {
            orders: PendingOrders::new(redis.clone(), queue.keys().clone()),
            scans: Scans::new(redis.clone(), queue.keys().clone()),
            redis,
            queue,
            store,
            shared,
        }))
    }

    /// The URL of a code's page, which the composite code contains.
    pub(crate) fn page_url(&self, id: &str) -> String {
        let base = self.config.http.public_url.as_ref().map_or("", Url::as_str);
        format!("{}/qr?id={id}", base.trim_end_matches('/'))
    }
}
