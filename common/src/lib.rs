//! What Heyi's api and worker share, from the settings to the queue.
//!
//! An [`order::Order`] is cached in Redis ([`cache`]) until PayJS reports its payment. The report becomes an
//! event of the [`queue`]; the worker promotes the order to a [`store::Code`] in MongoDB.

pub mod backoff;
mod batch;
pub mod config;
pub mod failpoint;
pub mod healthcheck;
pub mod shutdown;
pub mod telemetry;
pub mod watchdog;

pub mod form;
pub mod order;
pub mod payload;
pub mod platform;
pub mod sign;

pub mod installation;
pub mod outage;
pub mod pending_orders;
pub mod proxies;
pub mod queue;
pub mod redis;
mod roots;
pub mod scans;
pub mod store;

pub mod http;
pub mod payjs;
pub mod wechat;
