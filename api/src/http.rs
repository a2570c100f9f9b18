//! HTTP for all routes: parameters, responses, limits.

pub(crate) mod params;

pub(crate) mod error;
pub(crate) mod language;
pub(crate) mod negotiate;
pub(crate) mod respond;
pub(crate) mod success;

pub(crate) mod client_ip;
pub(crate) mod untrusted_proxy;

pub(crate) mod budget;
pub(crate) mod deadline;
pub(crate) mod outbound;
pub(crate) mod pool;
pub(crate) mod rate_limit;
pub(crate) mod shares;

pub(crate) mod monitor;
pub(crate) mod openapi;
pub(crate) mod request_metrics;
