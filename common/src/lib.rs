//! Code shared by the api and the worker, from the settings to the queue.
//!
//! Redis keeps an [`order::Order`] ([`pending_orders`]) until a [`gateway`] reports its payment. The report becomes an event
//! of the [`queue`]. The worker promotes the order to a [`store::Code`] in MongoDB.

pub mod config;

pub mod platform;

pub mod payload;

pub mod order;

pub mod form;
pub mod sign;

pub mod gateway;
pub mod wechat;

pub mod pending_orders;
pub mod queue;
pub mod scans;
pub mod store;

mod batch;
pub mod http;
pub mod redis;
mod roots;

pub mod installation;
pub mod outage;
pub mod proxies;

pub mod backoff;
pub mod failpoint;
pub mod healthcheck;
pub mod shutdown;
pub mod telemetry;
pub mod watchdog;
