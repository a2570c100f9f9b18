//! Tests of the sandbox over HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "clippy spares test functions, but not what they call"
)]

mod knobs;
mod miniapp;
mod notify;
mod orders;
mod pages;
mod rest;
mod support;
mod wechat;
